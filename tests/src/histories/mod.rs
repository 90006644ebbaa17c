//! Histories: tasks on two nodes call a store at once, every call is recorded with its answer and
//! its time, and a checker says whether the contract of
//! [`SessionStore`](anchor::store::SessionStore) allows the answers.
//!
//! A session is linearizable if its calls can be put into one order, in which each comes after all
//! that were answered before it began, so that a small state machine gives the same answers. An
//! error says nothing: the call may have happened, or happen later, or never.
//!
//! | file | |
//! | --- | --- |
//! | `plan.rs` | what the tasks do, as it follows from a seed |
//! | `tasks.rs`, `calls.rs`, `view.rs` | do it, and record it |
//! | `history.rs`, `picture.rs` | what is recorded, and how it is printed |
//! | `machine.rs` | the contract of one session |
//! | `linearize.rs` | looks for the order |
//! | `verdict.rs` | checks a history, and finds the calls that contradict each other |
//! | `run.rs` | many histories on one store |

mod calls;
pub mod history;
pub mod linearize;
mod machine;
mod payload;
mod picture;
mod plan;
mod run;
mod tasks;
mod verdict;
mod view;

pub use payload::Numbered;
pub use picture::picture;
pub use run::{IN_CI, Tally, nodes, run, seeds};
pub use tasks::Node;
pub use verdict::{Refusal, check};
