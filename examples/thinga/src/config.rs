//! [`Config`]: what the environment says, read once at the start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anchor::{Environment, KeyRing};
use axum::http::{HeaderName, Uri};

/// The settings of the application.
///
/// | variable | value | if it is not set |
/// | --- | --- | --- |
/// | `PORT` | the port | `3000` |
/// | `HOST` | the address to listen on | `127.0.0.1` |
/// | `PUBLIC_URL` | the address that users see: `https://thinga.example` | this machine only, over plain HTTP |
/// | `DATABASE_URL` | `sqlite:thinga.db` or `postgres://..` | `sqlite:thinga.db` |
/// | `REDIS_URL` | `redis://..`: sessions are there | sessions are in the database |
/// | `ANCHOR_KEYS` | signing keys: `openssl rand -base64 32` | required with `PUBLIC_URL`; else `thinga.key` |
/// | `SMTP_URL` | `smtps://user:password@mail.example` | each e-mail is a file in the folder `outbox` |
/// | `OUTBOX` | that folder | `outbox` |
/// | `MAIL_FROM` | the sender of e-mails | `Thinga <thinga@localhost>` |
/// | `ADMIN_EMAIL` | whose account is an administrator's | there is none |
/// | `FRONT_END` | another origin of the same site, whose pages may use `/api`: `https://app.thinga.example` | `http://127.0.0.1:3001`; none with `PUBLIC_URL` |
/// | `CLIENT_IP_HEADER` | the header in which the proxy says where a request comes from, with or without a port. The last entry counts | the address of the connection |
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The address that users see, without a slash at the end. `None` is this machine alone, over
    /// plain HTTP.
    pub public_url: Option<String>,
    /// The users, the things and the votes.
    pub database_url: String,
    /// The sessions, if they are not in the database.
    pub redis_url: Option<String>,
    /// The keys that sign the tokens.
    pub keys: KeyRing,
    /// The server that sends e-mails.
    pub smtp_url: Option<String>,
    /// The folder for e-mails without such a server.
    pub outbox: String,
    /// The sender of e-mails.
    pub mail_from: String,
    /// Whose account is an administrator's.
    pub admin_email: Option<String>,
    /// Another origin whose pages may use the API.
    pub front_end: Option<String>,
    /// The header in which the proxy says where a request comes from.
    pub client_ip_header: Option<HeaderName>,
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    ///
    /// Returns all mistakes, one per line.
    pub fn from_env() -> Result<Self, String> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// Reads variables from another source.
    ///
    /// # Errors
    ///
    /// Returns all mistakes, one per line.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut mistakes = Vec::new();
        let public_url = variable("PUBLIC_URL");
        if let Some(url) = public_url.as_deref().filter(|url| !is_origin(url, "https")) {
            mistakes.push(format!(
                "PUBLIC_URL: `{url}` is not valid: write `https://` and the host, without a path"
            ));
        }
        let local = public_url.is_none().then(|| "http://127.0.0.1:3001".to_owned());
        let front_end = variable("FRONT_END").or(local);
        if let Some(origin) = &front_end {
            let is_local = public_url.is_none() && is_origin(origin, "http");
            if !is_local && !is_origin(origin, "https") {
                mistakes.push(format!(
                    "FRONT_END: `{origin}` is not valid: write `https://` and the host, without a \
                     path"
                ));
            }
        }
        let keys = match (variable("ANCHOR_KEYS"), &public_url) {
            (Some(keys), _) => KeyRing::parse(&keys),
            (None, None) => KeyRing::from_file_or_generate("thinga.key"),
            // The error says what to write.
            (None, Some(_)) => KeyRing::from_env("ANCHOR_KEYS"),
        };
        let keys = keys.map_err(|error| mistakes.push(format!("ANCHOR_KEYS: {error}"))).ok();
        let port = parsed(&variable, "PORT", "a port number", &mut mistakes);
        let host = parsed(&variable, "HOST", "an IP address", &mut mistakes);
        let client_ip_header =
            parsed(&variable, "CLIENT_IP_HEADER", "the name of a header", &mut mistakes);
        match keys {
            Some(keys) if mistakes.is_empty() => Ok(Self {
                listen: SocketAddr::new(
                    host.unwrap_or(IpAddr::from(Ipv4Addr::LOCALHOST)),
                    port.unwrap_or(3000),
                ),
                public_url,
                database_url: variable("DATABASE_URL").unwrap_or("sqlite:thinga.db".into()),
                redis_url: variable("REDIS_URL"),
                keys,
                smtp_url: variable("SMTP_URL"),
                outbox: variable("OUTBOX").unwrap_or("outbox".into()),
                mail_from: variable("MAIL_FROM").unwrap_or("Thinga <thinga@localhost>".into()),
                admin_email: variable("ADMIN_EMAIL").map(|email| email.trim().to_lowercase()),
                front_end,
                client_ip_header,
            }),
            _ => Err(mistakes.join("\n")),
        }
    }

    /// Returns whether it serves only this machine, over plain HTTP.
    pub fn is_local(&self) -> bool {
        self.public_url.is_none()
    }

    /// Returns the settings of the session cookies. Locally they have neither `Secure` nor the
    /// prefix `__Host-`: not every browser accepts those over plain HTTP on this machine.
    pub(crate) fn cookies(&self) -> Environment {
        let local = self.is_local().then_some(("ANCHOR_DEVELOPMENT", "true"));
        Environment::of("ANCHOR", local)
    }
}

fn parsed<T: std::str::FromStr>(
    variable: impl Fn(&str) -> Option<String>,
    name: &str,
    what: &str,
    mistakes: &mut Vec<String>,
) -> Option<T> {
    let value = variable(name)?;
    let parsed = value.parse().ok();
    if parsed.is_none() {
        mistakes.push(format!("{name}: `{value}` is not {what}"));
    }
    parsed
}

/// Returns whether this is a scheme and a host, and nothing else.
fn is_origin(url: &str, scheme: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    uri.scheme_str() == Some(scheme)
        && uri.authority().is_some_and(|host| format!("{scheme}://{host}") == url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=";

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn a_public_address_needs_https_and_keys() {
        let error = read(&[("PUBLIC_URL", "http://thinga.example")]).unwrap_err();
        assert!(error.contains("PUBLIC_URL: `http://thinga.example` is not valid"), "{error}");
        assert!(error.contains("ANCHOR_KEYS"), "{error}");
        for wrong in ["https://thinga.example/", "https://thinga.example/game", "thinga.example"] {
            assert!(read(&[("PUBLIC_URL", wrong), ("ANCHOR_KEYS", KEY)]).is_err(), "{wrong}");
        }
        let right = [("PUBLIC_URL", "https://thinga.example"), ("ANCHOR_KEYS", KEY)];
        let config = read(&right).unwrap();
        assert!(!config.is_local());
        assert_eq!(config.front_end, None);
        for wrong in ["http://app.thinga.example", "https://app.thinga.example/", "*"] {
            let error = read(&[&right[..], &[("FRONT_END", wrong)]].concat()).unwrap_err();
            assert!(error.starts_with(&format!("FRONT_END: `{wrong}` is not valid")), "{error}");
        }
        let front_end = [("FRONT_END", "https://app.thinga.example")];
        assert!(read(&[&right[..], &front_end].concat()).is_ok());
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let wrong = [("PORT", "http"), ("HOST", "localhost"), ("ANCHOR_KEYS", "short")];
        let error = read(&wrong).unwrap_err();
        assert_eq!(error.lines().count(), 3, "{error}");
        assert!(error.contains("PORT: `http` is not a port number"), "{error}");
    }
}
