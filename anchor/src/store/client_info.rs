//! [`ClientInfo`]: where a session was last used from.

use std::fmt;
use std::net::IpAddr;

/// The address and the user agent that a session was last used from. They are personal data, so
/// `Debug` shows neither.
///
/// It has the size of one pointer, because most records have none and should pay little for it.
///
/// ```
/// use anchor::store::ClientInfo;
/// use std::net::IpAddr;
///
/// let agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Firefox/145.0";
/// let client = ClientInfo::new(Some(IpAddr::from([203, 0, 113, 7])), Some(agent));
/// assert_eq!(client.ip().unwrap().to_string(), "203.0.113.7");
/// assert_eq!(client.user_agent(), Some(agent));
/// assert_eq!(client.device().to_string(), "Firefox on Mac");
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ClientInfo(Box<Parts>);

#[derive(Clone, PartialEq, Eq, Default)]
struct Parts {
    ip: Option<IpAddr>,
    user_agent: Option<Box<str>>,
}

impl ClientInfo {
    /// The largest number of characters of a user agent that are kept.
    pub const LONGEST_USER_AGENT: usize = 512;

    /// Creates a `ClientInfo` from an address and a user agent. The user agent is cut to
    /// [`LONGEST_USER_AGENT`](Self::LONGEST_USER_AGENT) characters, and NUL, which no table
    /// accepts, is removed.
    pub fn new(ip: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let kept = |text: &str| {
            text.chars().filter(|c| *c != '\0').take(Self::LONGEST_USER_AGENT).collect()
        };
        Self(Box::new(Parts { ip, user_agent: user_agent.map(kept) }))
    }

    /// Returns the address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.ip
    }

    /// Returns the user agent: what the client says it is.
    pub fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
}

impl fmt::Debug for ClientInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientInfo(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_user_agent_is_cut_by_characters() {
        let client = ClientInfo::new(None, Some(&format!("\0{}", "ä".repeat(600))));
        assert_eq!(client.user_agent(), Some("ä".repeat(512).as_str()));
    }
}
