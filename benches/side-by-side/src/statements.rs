//! Counts the statements that sqlx sends, by the event that sqlx emits for each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

static COUNTS: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);

struct Counter;

/// Makes counting possible. Until [`start`] is called, an event costs the same as without a
/// subscriber.
///
/// # Panics
///
/// Panics if there is already a subscriber.
pub fn install() {
    tracing::subscriber::set_global_default(Counter).expect("the only subscriber");
}

/// Starts counting.
pub fn start() {
    COUNT.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
    tracing_core::callsite::rebuild_interest_cache();
}

/// Stops counting and returns the count.
pub fn stop() -> u64 {
    COUNTS.store(false, Ordering::Relaxed);
    tracing_core::callsite::rebuild_interest_cache();
    COUNT.load(Ordering::Relaxed)
}

impl Subscriber for Counter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        COUNTS.load(Ordering::Relaxed) && metadata.target() == "sqlx::query"
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let counts = COUNTS.load(Ordering::Relaxed);
        Some(if counts { LevelFilter::DEBUG } else { LevelFilter::OFF })
    }

    fn event(&self, _: &Event<'_>) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }

    // sqlx emits only events.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
