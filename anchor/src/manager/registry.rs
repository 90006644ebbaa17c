//! [`Registration`]: which payloads have managers in this process, and on which channels.
//!
//! Two rules depend on this. A channel carries the tokens of one payload; otherwise each payload
//! would overwrite the other's token. And a guard that names no payload is for processes with one
//! payload: with two, a layer that was lost in a refactoring would let a user's cookie open an
//! administrator's page.

use std::any::{TypeId, type_name};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::ConfigError;
use crate::payload::SessionData;

/// What the channels of one-time tokens begin with. The rest is the table's name.
pub(crate) const ONE_TIME: &str = "one-time:";

/// The managers that are alive.
static LIVE: Mutex<Vec<Live>> = Mutex::new(Vec::new());

/// The payload of the first manager.
static FIRST: OnceLock<TypeId> = OnceLock::new();

/// Whether a manager of another payload was built after it.
static SEVERAL: AtomicBool = AtomicBool::new(false);

struct Live {
    channel: String,
    payload: TypeId,
    name: &'static str,
}

/// A manager's entry in the registry, until it is dropped.
pub(crate) struct Registration {
    channel: String,
    payload: TypeId,
}

impl Registration {
    /// Registers a manager of `T` on this channel. One-time tokens have no layer that could be
    /// lost, so they do not count as another payload.
    ///
    /// # Errors
    ///
    /// Returns an error if a live manager of another payload has the channel.
    pub(crate) fn new<T: SessionData>(channel: &str) -> Result<Self, ConfigError> {
        let payload = TypeId::of::<T>();
        let mut live = live();
        if let Some(other) =
            live.iter().find(|other| other.channel == channel && other.payload != payload)
        {
            if let Some(table) = channel.strip_prefix(ONE_TIME) {
                return Err(ConfigError::new(format_args!(
                    "the one-time tokens of `{}` are already in a table `{table}`, so each could \
                     be redeemed as the other: give one of them its own table, with \
                     `#[session(table = \"..\")]` on its struct",
                    other.name
                )));
            }
            if !channel.starts_with("cookie:") {
                return Err(ConfigError::new(format_args!(
                    "the sessions of `{}` already travel by `{channel}`, and each of the two would \
                     refuse the other's token: give one of them a header of its own, such as \
                     `CustomHeader::new(HeaderName::from_static(\"x-api-token\"))` (the tests of \
                     one process share this: give each payload its own header there as well)",
                    other.name
                )));
            }
            return Err(ConfigError::new(format_args!(
                "the sessions of `{}` already travel by `{channel}`, and each of the two would \
                 overwrite the other's token: give one of them its own name, with \
                 `#[session(cookie = \"__Host-admin\")]` on its struct or \
                 `.frontend(SessionCookie::new(\"__Host-admin\"))` before `.build()` (the tests of \
                 one process share this: give each payload its own name there as well)",
                other.name
            )));
        }
        live.push(Live { channel: channel.to_owned(), payload, name: type_name::<T>() });
        if !channel.starts_with(ONE_TIME) && *FIRST.get_or_init(|| payload) != payload {
            SEVERAL.store(true, Ordering::Release);
        }
        Ok(Self { channel: channel.to_owned(), payload })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut live = live();
        let own = |one: &Live| one.payload == self.payload && one.channel == self.channel;
        if let Some(index) = live.iter().position(own) {
            live.swap_remove(index);
        }
    }
}

/// Locks the list. A panic can only happen between whole changes of the list, so a poisoned lock
/// can be used.
fn live() -> MutexGuard<'static, Vec<Live>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether managers of two payloads have been built in this process. A manager that was
/// dropped counts: if its layer was lost, nothing else may have kept it alive.
pub(crate) fn has_several_payloads() -> bool {
    SEVERAL.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, crate::SessionData)]
    #[session(migrations = false)]
    struct Guest {
        name: String,
    }

    #[derive(Clone, crate::SessionData)]
    #[session(migrations = false)]
    struct Host {
        name: String,
    }

    #[test]
    fn a_channel_is_free_again_when_its_managers_are_gone_and_payloads_are_remembered() {
        let register = Registration::new::<Guest>;
        let guests = [register("cookie:party").unwrap(), register("cookie:party").unwrap()];
        for guest in guests {
            assert!(Registration::new::<Host>("cookie:party").is_err());
            drop(guest);
        }
        let host = Registration::new::<Host>("cookie:party").unwrap();
        assert!(register("cookie:party").is_err());
        drop(host);
        assert!(register("cookie:party").is_ok());
        assert!(has_several_payloads(), "although no two were alive at once");
    }
}
