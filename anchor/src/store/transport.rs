//! How a store reaches its database, and whether others on the network can read what is sent.

use std::net::IpAddr;

/// Where a store connects to, and whether it requires TLS.
pub(crate) struct Transport<'a> {
    /// The database's name, such as `PostgreSQL`.
    pub(crate) database: &'static str,
    /// A host name, an IP address, or the directory of a socket.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) is_socket: bool,
    /// Whether a connection without TLS fails.
    pub(crate) demands_tls: bool,
    /// What to do so that a connection requires TLS.
    pub(crate) remedy: &'static str,
}

impl Transport<'_> {
    /// Returns a warning if what is sent leaves the machine, and may be sent without encryption.
    pub(crate) fn warning(&self) -> Option<String> {
        let local = self.is_socket || is_loopback(self.host);
        let Self { database, host, port, remedy, .. } = self;
        (!local && !self.demands_tls).then(|| {
            format!(
                "the connection to {database} at {host}:{port} does not require TLS: \
                 anyone on the network can read and change sessions. {remedy}"
            )
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warns(host: &str, is_socket: bool, demands_tls: bool) -> bool {
        let transport = Transport {
            database: "PostgreSQL",
            host,
            port: 5432,
            is_socket,
            demands_tls,
            remedy: "Add TLS",
        };
        transport.warning().is_some()
    }

    #[test]
    fn what_stays_on_the_machine_needs_no_tls() {
        for host in
            ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "[::1]", "::ffff:127.0.0.1"]
        {
            assert!(!warns(host, false, false), "{host}");
        }
        assert!(!warns("/run/postgresql", true, false));
    }

    #[test]
    fn what_leaves_it_needs_tls() {
        for host in [
            "db.example.com",
            "localhost.example.com",
            "10.0.0.1",
            "0.0.0.0",
            "::",
            "fe80::1",
            "127.0.0.1.example.com",
            "",
        ] {
            assert!(warns(host, false, false), "{host}");
            assert!(!warns(host, false, true), "{host}");
        }
    }
}
