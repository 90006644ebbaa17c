//! The examples of README.md and of the book in `docs`, as tests of the documentation.
//!
//! A chapter that has Rust code is included here: `tests/tests/docs` checks it. The guides in
//! `docs/coming-from` show code of `examples/coming-from`, whose tests compare them.

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../docs/declare.md")]
mod declare {}

#[doc = include_str!("../../docs/migrations.md")]
mod migrations {}

#[doc = include_str!("../../docs/put-together.md")]
mod put_together {}

#[doc = include_str!("../../docs/environment.md")]
mod environment {}

#[doc = include_str!("../../docs/redis.md")]
mod redis {}

#[doc = include_str!("../../docs/login.md")]
mod login {}

#[doc = include_str!("../../docs/frontends.md")]
mod frontends {}

#[doc = include_str!("../../docs/read-and-change.md")]
mod read_and_change {}

#[doc = include_str!("../../docs/transactions.md")]
mod transactions {}

#[doc = include_str!("../../docs/guards.md")]
mod guards {}

#[doc = include_str!("../../docs/groups.md")]
mod groups {}

#[doc = include_str!("../../docs/deny-by-default.md")]
mod deny_by_default {}

#[doc = include_str!("../../docs/redirects.md")]
mod redirects {}

#[doc = include_str!("../../docs/cross-origin.md")]
mod cross_origin {}

#[doc = include_str!("../../docs/decide.md")]
mod decide {}

#[doc = include_str!("../../docs/errors.md")]
mod errors {}

#[doc = include_str!("../../docs/devices.md")]
mod devices {}

#[doc = include_str!("../../docs/guests.md")]
mod guests {}

#[doc = include_str!("../../docs/links.md")]
mod links {}

#[doc = include_str!("../../docs/impersonation.md")]
mod impersonation {}

#[doc = include_str!("../../docs/test.md")]
mod test {}

#[doc = include_str!("../../docs/cache.md")]
mod cache {}

#[cfg(all(feature = "aide", feature = "utoipa"))]
#[doc = include_str!("../../docs/openapi.md")]
mod openapi {}
