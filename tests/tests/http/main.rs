//! What an application sees over HTTP: a real server, a real client, every store.
//!
//! Each theme has a file, each behaviour one function, and `on_every_store` makes a test of it for
//! each store.

#[macro_use(on_every_store)]
extern crate anchor_tests;

mod application;
mod tokens;

mod callbacks;
mod devices;
mod endings;
mod extractors;
mod faults;
mod frontends;
mod guards;
mod guests;
mod impersonation;
mod keys;
mod late_uses;
mod layers;
mod lifetimes;
mod lives;
mod log_lines;
mod logged_once;
mod login;
mod login_load;
mod logout;
mod logout_methods;
mod managers;
mod old_tokens;
mod one_time;
mod pages;
mod payloads;
mod plain_http;
mod policies;
mod refusals;
mod rejections;
mod rotation;
mod several_frontends;
mod shutdown;
mod siblings;
mod steps;
mod subject_updates;
mod timeouts;
mod updates;
mod uses;
mod verifier;
mod watching;
