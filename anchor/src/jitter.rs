//! Randomized durations, so that tasks that start together do not stay in step.

use std::time::Duration;

/// Returns a random duration between three quarters and five quarters of `span`.
pub(crate) fn around(span: Duration) -> Duration {
    scaled(span, 0.75 + 0.5 * chance())
}

/// Returns a random duration between three quarters of `span` and the whole of it.
pub(crate) fn at_most(span: Duration) -> Duration {
    scaled(span, 1.0 - 0.25 * chance()).min(span)
}

fn scaled(span: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

/// Returns a random number from 0 to 1.
fn chance() -> f64 {
    let mut byte = [128];
    // Without randomness, the middle is good enough.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_quarter() {
        let span = Duration::from_secs(100);
        for _ in 0..1_000 {
            assert!((75.0..=125.0).contains(&around(span).as_secs_f64()));
            assert!((75.0..=100.0).contains(&at_most(span).as_secs_f64()));
        }
    }

    #[test]
    fn the_longest_span_stays_long_and_none_stays_none() {
        for _ in 0..1_000 {
            assert!(around(Duration::MAX) > Duration::from_secs(u64::MAX / 2));
            assert!(at_most(Duration::MAX) > Duration::from_secs(u64::MAX / 2));
            assert_eq!(around(Duration::ZERO), Duration::ZERO);
            assert_eq!(at_most(Duration::ZERO), Duration::ZERO);
        }
    }
}
