//! The cases, with one file per verb or concern.

pub mod batches;
pub mod client_info;
pub mod clock;
pub mod consume;
pub mod create;
pub mod cut_off;
pub mod expiry;
mod fixtures;
pub mod history;
pub mod limit;
pub mod list;
pub mod load;
pub mod logout_races;
pub mod reauthenticate;
pub mod revoke;
pub mod revoke_many;
pub mod rotate;
pub mod round_trip;
pub mod sweep;
pub mod touch;
pub mod update;
pub mod uses;

pub use fixtures::Store;
