//! What a request reveals about its client: where it comes from, and what its session may be bound
//! to.

use std::net::IpAddr;

use http::header;
use http::request::Parts;

use crate::manager::callback::{self, Panicked};
use crate::payload::SessionData;
use crate::store::{ClientInfo, Fingerprint};

/// What happens to a session when a request does not match what its
/// [`fingerprint`](crate::manager::SessionManagerBuilder::fingerprint) was taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FingerprintMismatch {
    /// The request is refused with 401, and the session is ended. For a fingerprint that cannot
    /// change while the session lives.
    End,
    /// The request is refused with 401, and the session stays live for the client that it belongs
    /// to.
    Refuse,
}

pub(crate) type ClientIp = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;
pub(crate) type TakeFingerprint = dyn Fn(&Parts) -> Option<Vec<u8>> + Send + Sync;

/// What a manager reads about its clients.
#[derive(Default)]
pub(crate) struct ClientSettings {
    pub(crate) ip: Option<Box<ClientIp>>,
    pub(crate) fingerprint: Option<(Box<TakeFingerprint>, FingerprintMismatch)>,
}

/// The client behind a request, as far as the payload's table has columns for it.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) info: Option<ClientInfo>,
    pub(crate) fingerprint: Result<Option<Fingerprint>, Panicked>,
}

impl Default for Client {
    fn default() -> Self {
        Self { info: None, fingerprint: Ok(None) }
    }
}

impl ClientSettings {
    pub(crate) fn look<T: SessionData>(&self, request: &Parts) -> Client {
        let extras = T::schema().options;
        let info = extras.track.then(|| {
            // Only the audit depends on it: after a panic, the address is unknown.
            let ip =
                self.ip.as_ref().and_then(|ip| callback::call("client_ip", || ip(request)).ok()?);
            let user_agent = request.headers.get(header::USER_AGENT);
            ClientInfo::new(ip, user_agent.and_then(|value| value.to_str().ok()))
        });
        let fingerprint = self
            .fingerprint
            .as_ref()
            .filter(|_| extras.fingerprint)
            .map(|(take, _)| callback::call("fingerprint", || take(request)))
            .transpose()
            .map(|taken| taken.flatten().map(|bytes| Fingerprint::of(&bytes)));
        Client { info, fingerprint }
    }
}
