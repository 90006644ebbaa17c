//! Logins at the pace of a person: a limit for each account, and one for each address.
//!
//! The limits are in this process's memory, so `n` nodes together permit `n` times as much. For one
//! limit on all nodes, count in the proxy before them.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// After how many attempts the limits forget who has used nothing of their allowance.
const FORGET_EVERY: u32 = 1_024;

type Limit = RateLimiter<
    u64,
    HashMapStateStore<u64>,
    MonotonicClock,
    NoOpMiddleware<<MonotonicClock as Clock>::Instant>,
>;

/// The limits of the login form.
pub struct LoginLimits {
    by_account: Limit,
    by_address: Limit,
    /// Makes a number of a name of any length. Nobody outside can choose two with the same number.
    hasher: RandomState,
    attempts: AtomicU32,
}

/// An attempt that must wait.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyLogins {
    retry_after: Duration,
}

impl Default for LoginLimits {
    /// An account: 5 attempts, and another one each minute. An address, which an office may share:
    /// 20 attempts, and another one each 15 seconds.
    fn default() -> Self {
        Self::new(quota(5, Duration::from_secs(60)), quota(20, Duration::from_secs(15)))
    }
}

/// So many attempts at once, and another one each `period`.
fn quota(burst: u32, period: Duration) -> Quota {
    let quota = Quota::with_period(period).expect("the period is longer than nothing");
    quota.allow_burst(NonZeroU32::new(burst).expect("one attempt is permitted"))
}

impl LoginLimits {
    /// Limits for each account, and for each address.
    #[must_use]
    pub fn new(account: Quota, address: Quota) -> Self {
        let limit = |quota| RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock);
        Self {
            by_account: limit(account),
            by_address: limit(address),
            hasher: RandomState::new(),
            attempts: AtomicU32::new(0),
        }
    }

    /// Counts an attempt. Call it before the account is looked up: an account that does not exist
    /// is limited in the same way, so that the limit does not tell who has an account.
    ///
    /// # Errors
    ///
    /// Returns an error if the attempt has to wait.
    pub fn check(&self, account: &str, address: IpAddr) -> Result<(), TooManyLogins> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.by_account.retain_recent();
            self.by_address.retain_recent();
        }
        // The address comes first: whoever is refused there does not use up the account's attempts.
        take(&self.by_address, self.hasher.hash_one(network(address)))?;
        take(&self.by_account, self.hasher.hash_one(account.trim().to_lowercase()))
    }
}

fn take(limit: &Limit, key: u64) -> Result<(), TooManyLogins> {
    limit.check_key(&key).map_err(|refused| TooManyLogins {
        retry_after: refused.wait_time_from(limit.clock().now()),
    })
}

/// Returns what belongs to one customer: an IPv4 address, or a network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

impl IntoResponse for TooManyLogins {
    fn into_response(self) -> Response {
        let seconds = self.retry_after.as_secs() + 1;
        let retry_after = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
        let text = format!("Too many attempts. Try again in {seconds} seconds.\n");
        (StatusCode::TOO_MANY_REQUESTS, retry_after, text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_limited_from_any_address_and_however_it_is_spelled() {
        let limits = LoginLimits::default();
        for n in 0..5 {
            assert_eq!(limits.check("ferris", IpAddr::from([127, 0, 0, n])), Ok(()));
        }
        let refused = limits.check(" Ferris", IpAddr::from([127, 0, 0, 9])).unwrap_err();
        assert!(refused.retry_after <= Duration::from_secs(60), "{refused:?}");
        assert_eq!(limits.check("corro", IpAddr::from([127, 0, 0, 9])), Ok(()));
    }

    #[test]
    fn an_address_is_limited_over_all_accounts_and_as_a_network_of_ipv6() {
        let limits = LoginLimits::default();
        let address = |host| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]);
        for n in 0..20 {
            assert_eq!(limits.check(&n.to_string(), address(n)), Ok(()));
        }
        assert!(limits.check("another", address(99)).is_err());
        // What the address was refused does not count for the account.
        for n in 0..5 {
            assert_eq!(limits.check("another", IpAddr::from([127, 0, 0, n])), Ok(()));
        }
    }

    #[test]
    fn an_account_recovers_one_attempt_at_a_time() {
        let period = Duration::from_millis(300);
        let limits = LoginLimits::new(quota(1, period), quota(20, period));
        let address = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(limits.check("ferris", address), Ok(()));
        let refused = limits.check("ferris", address).unwrap_err();
        std::thread::sleep(refused.retry_after);
        assert_eq!(limits.check("ferris", address), Ok(()));
        assert!(limits.check("ferris", address).is_err());
    }

    #[test]
    fn accounts_that_are_quiet_are_forgotten() {
        let limits = LoginLimits::new(
            quota(1, Duration::from_nanos(1)),
            quota(u32::MAX, Duration::from_nanos(1)),
        );
        for n in 0..4 * FORGET_EVERY {
            limits.check(&n.to_string(), IpAddr::from([127, 0, 0, 1])).unwrap();
        }
        assert!(limits.by_account.len() < 2, "{}", limits.by_account.len());
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_in_the_clothes_of_ipv6() {
        let v4 = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), v4);
        assert_ne!(network("::ffff:192.0.2.2".parse().unwrap()), v4);
    }
}
