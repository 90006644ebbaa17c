//! The HTTP tests of `anchor-tests`, in memory: all but those that need a database.

#[macro_use(on_every_store)]
extern crate anchor_tests;

#[path = "../../tests/http/application.rs"]
mod application;
#[path = "../../tests/http/callbacks.rs"]
mod callbacks;
#[path = "../../tests/http/devices.rs"]
mod devices;
#[path = "../../tests/http/endings.rs"]
mod endings;
#[path = "../../tests/http/extractors.rs"]
mod extractors;
#[path = "../../tests/http/faults.rs"]
mod faults;
#[path = "../../tests/http/frontends.rs"]
mod frontends;
#[path = "../../tests/http/guards.rs"]
mod guards;
#[path = "../../tests/http/guests.rs"]
mod guests;
#[path = "../../tests/http/impersonation.rs"]
mod impersonation;
#[path = "../../tests/http/keys.rs"]
mod keys;
#[path = "../../tests/http/late_uses.rs"]
mod late_uses;
#[path = "../../tests/http/layers.rs"]
mod layers;
#[path = "../../tests/http/lifetimes.rs"]
mod lifetimes;
#[path = "../../tests/http/lives.rs"]
mod lives;
#[path = "../../tests/http/log_lines.rs"]
mod log_lines;
#[path = "../../tests/http/logged_once.rs"]
mod logged_once;
#[path = "../../tests/http/login.rs"]
mod login;
#[path = "../../tests/http/logout.rs"]
mod logout;
#[path = "../../tests/http/logout_methods.rs"]
mod logout_methods;
#[path = "../../tests/http/managers.rs"]
mod managers;
#[path = "../../tests/http/one_time.rs"]
mod one_time;
#[path = "../../tests/http/pages.rs"]
mod pages;
#[path = "../../tests/http/payloads.rs"]
mod payloads;
#[path = "../../tests/http/plain_http.rs"]
mod plain_http;
#[path = "../../tests/http/policies.rs"]
mod policies;
#[path = "../../tests/http/refusals.rs"]
mod refusals;
#[path = "../../tests/http/rejections.rs"]
mod rejections;
#[path = "../../tests/http/rotation.rs"]
mod rotation;
#[path = "../../tests/http/several_frontends.rs"]
mod several_frontends;
#[path = "../../tests/http/siblings.rs"]
mod siblings;
#[path = "../../tests/http/steps.rs"]
mod steps;
#[path = "../../tests/http/tokens.rs"]
mod tokens;
#[path = "../../tests/http/updates.rs"]
mod updates;
#[path = "../../tests/http/uses.rs"]
mod uses;
#[path = "../../tests/http/verifier.rs"]
mod verifier;
#[path = "../../tests/http/watching.rs"]
mod watching;

#[path = "../../tests/http/old_tokens.rs"]
mod old_tokens;
