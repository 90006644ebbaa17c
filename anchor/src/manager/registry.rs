//! [`Registration`]: which payloads have managers in this process, and on which channels.
//!
//! Two rules need to know. A channel carries the tokens of one payload, or each would overwrite the
//! other's. And a guard that names no payload is for processes of one payload: with two, a layer
//! that was lost in a refactoring would let a user's cookie open an administrator's page.

use std::any::{TypeId, type_name};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::ConfigError;
use crate::payload::SessionData;

/// The managers that are alive.
static LIVE: Mutex<Vec<Live>> = Mutex::new(Vec::new());

/// The payload of the first manager.
static FIRST: OnceLock<TypeId> = OnceLock::new();

/// Whether a manager of another payload came after it.
static SEVERAL: AtomicBool = AtomicBool::new(false);

struct Live {
    channel: String,
    payload: TypeId,
    name: &'static str,
}

/// A manager's place in the registry, until it is dropped.
pub(crate) struct Registration {
    channel: String,
    payload: TypeId,
}

impl Registration {
    /// Registers a manager of `T` on this channel.
    ///
    /// # Errors
    ///
    /// When a live manager of another payload has the channel.
    pub(crate) fn new<T: SessionData>(channel: &str) -> Result<Self, ConfigError> {
        let payload = TypeId::of::<T>();
        let mut live = live();
        if let Some(other) =
            live.iter().find(|other| other.channel == channel && other.payload != payload)
        {
            return Err(ConfigError::new(format_args!(
                "the sessions of `{}` travel by `{channel}` already, and each of the two would \
                 overwrite the other's token: give one of them a name of its own, with \
                 `#[session(cookie = \"__Host-admin\")]` on its struct or \
                 `.frontend(SessionCookie::new(\"__Host-admin\"))` before `.build()` (tests of one \
                 process share this: give each payload a name of its own there as well)",
                other.name
            )));
        }
        live.push(Live { channel: channel.to_owned(), payload, name: type_name::<T>() });
        if *FIRST.get_or_init(|| payload) != payload {
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

/// A poisoned lock means a panic between whole changes of the list.
fn live() -> MutexGuard<'static, Vec<Live>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether managers of two payloads have been built in this process. A manager that is gone counts:
/// with its layer lost, nothing else may have kept it.
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
