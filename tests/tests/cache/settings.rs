//! The settings that do not work, and what to type.

use std::time::Duration;

use anchor::manager::SessionManagerBuilder;
use anchor::prelude::*;

use crate::application::UserSession;

type Builder = SessionManagerBuilder<UserSession>;

fn refusal(configure: impl FnOnce(Builder) -> Builder) -> String {
    let builder = SessionManager::builder(MemoryStore::new()).keys(KeyRing::generate().unwrap());
    let refused = configure(builder).build().expect_err("it does not work").to_string();
    refused.split_once("`: ").expect("the payload comes first").1.to_owned()
}

#[test]
fn a_cache_that_cannot_work_is_refused_with_what_to_type() {
    let second = Duration::from_secs(1);
    let two_minutes = 120 * second;
    for (message, configured) in [
        (
            "the cache has a lease of zero, so it would serve nothing: write \
             `.cache(Duration::from_secs(5))`, or remove it",
            refusal(|it| it.cache(Duration::ZERO)),
        ),
        (
            "the cache has a lease of 120s, for which a session may still be served after it has \
             ended on another node: shorten it to at most 60s, as in \
             `.cache(Duration::from_secs(5))`",
            refusal(|it| it.cache(two_minutes)),
        ),
        (
            "the cache has a lease of 20s, for which a session may still be served after it has \
             ended on another node: shorten it to at most 10s, as in \
             `.cache(Duration::from_secs(5))`",
            refusal(|it| it.idle(10 * second).cache(20 * second)),
        ),
        (
            "`.touch_interval(Duration::ZERO)` records each request in the store, so the cache \
             would serve none: remove `.touch_interval(..)` or `.cache(..)`",
            refusal(|it| it.touch_interval(Duration::ZERO).cache(second)),
        ),
        (
            "the cache has room for no session: write `.cache_capacity(10_000)`, or remove \
             `.cache(..)`",
            refusal(|it| it.cache(second).cache_capacity(0)),
        ),
        (
            "the cache has room for 10000001 sessions: write at most `.cache_capacity(10000000)`",
            refusal(|it| it.cache(second).cache_capacity(10_000_001)),
        ),
        (
            "`.cache_capacity(..)` has no effect without a cache: add \
             `.cache(Duration::from_secs(5))`, or remove it",
            refusal(|it| it.cache_capacity(5)),
        ),
    ] {
        assert_eq!(configured, message);
    }
}
