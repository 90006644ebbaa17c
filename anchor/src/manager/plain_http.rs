//! [`PlainHttp`]: notices a login whose cookie the browser drops, because its page came over plain
//! HTTP and the cookie has `Secure`. Without a hint, this is a login page that shows itself again.

use std::any::type_name;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};

use crate::excerpt::excerpt;
use crate::manager::channels::Channel;
use crate::manager::cross_origin::LONGEST_ORIGIN;

/// Whether a manager has warned of plain HTTP. It warns once.
#[derive(Default)]
pub(crate) struct PlainHttp {
    has_warned: AtomicBool,
}

impl PlainHttp {
    /// Returns the origin of the page that sent this request, if the page certainly came over plain
    /// HTTP from another machine than the browser's own.
    ///
    /// Browsers say where a form or a script is from, and that does not change on the way through a
    /// proxy. A browser that sends the request itself to HTTPS adds `Sec-Fetch-Site`, which it
    /// never does over plain HTTP, and a proxy that was reached by HTTPS may say so.
    pub(crate) fn origin(&self, request: &Parts) -> Option<HeaderValue> {
        let headers = &request.headers;
        if request.method.is_safe() || self.has_warned.load(Ordering::Relaxed) {
            return None;
        }
        let origin = headers.get(header::ORIGIN)?;
        let is_plain = is_elsewhere_over_http(origin)
            && !headers.contains_key("sec-fetch-site")
            && !is_forwarded_from_https(headers);
        is_plain.then(|| origin.clone())
    }

    /// Warns of a login from a page of this origin, unless a warning has been logged already.
    pub(crate) fn warn<T>(&self, origin: &HeaderValue, channel: &Channel) {
        if !channel.frontend.needs_https() || self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            target: "anchor", payload = type_name::<T>(), channel = channel.name,
            "a browser logged in on {}, over plain HTTP, and drops the session cookie, which is \
             `Secure`: its next request has no session. Serve this address over HTTPS, and \
             redirect `http://` to it; a proxy may do both. On your own machine, open \
             `http://localhost`, or write `.frontend(SessionCookie::development())` before \
             `.build()` (this is logged once)",
            excerpt(origin.as_bytes().escape_ascii(), LONGEST_ORIGIN)
        );
    }
}

/// Returns whether this is an origin with plain HTTP. Browsers treat the own machine as safe: many
/// keep a `Secure` cookie of `http://localhost`.
fn is_elsewhere_over_http(origin: &HeaderValue) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else { return false };
    let Some(host) = origin.host().filter(|_| origin.scheme_str() == Some("http")) else {
        return false;
    };
    let name = host.to_ascii_lowercase();
    let is_loopback = name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback());
    !is_loopback
}

/// Returns whether a proxy says that it was reached by HTTPS: `X-Forwarded-Proto`, or `Forwarded`
/// (RFC 7239). Anyone can send these headers, but only a warning depends on them.
fn is_forwarded_from_https(headers: &HeaderMap) -> bool {
    let says = |name: &str, found: fn(&str) -> bool| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split([',', ';'])).any(|part| found(part.trim()))
    };
    says("x-forwarded-proto", |scheme| scheme.eq_ignore_ascii_case("https"))
        || says("forwarded", |pair| {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            name.eq_ignore_ascii_case("proto")
                && value.trim_matches('"').eq_ignore_ascii_case("https")
        })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn is_noticed(method: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/login");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (request, ()) = request.body(()).unwrap().into_parts();
        PlainHttp::default().origin(&request).is_some()
    }

    #[test]
    fn only_a_page_over_plain_http_from_elsewhere_is_noticed() {
        for origin in [
            "http://shop.example",
            "http://shop.example:8080",
            "http://192.168.1.5:3000",
            "http://[fd00::1]:3000",
            "http://localhost.shop.example",
            "http://127.0.0.1.shop.example",
        ] {
            assert!(is_noticed("POST", &[("origin", origin)]), "{origin}");
            assert!(!is_noticed("GET", &[("origin", origin)]), "{origin}");
        }
        for origin in [
            "https://shop.example",
            "null",
            "",
            "http://localhost:3000",
            "http://LOCALHOST",
            "http://shop.localhost",
            "http://127.0.0.1:3000",
            "http://127.8.8.8",
            "http://[::1]:3000",
        ] {
            assert!(!is_noticed("POST", &[("origin", origin)]), "{origin}");
        }
        assert!(!is_noticed("POST", &[]), "a program sends no `Origin`");
    }

    #[test]
    fn a_request_that_came_by_https_is_not_noticed() {
        let origin = ("origin", "http://shop.example");
        for (name, value) in [
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-proto", "HTTPS, http"),
            ("forwarded", "for=192.0.2.60;proto=https;by=203.0.113.43"),
            ("forwarded", "for=192.0.2.60; Proto=\"https\""),
        ] {
            assert!(!is_noticed("POST", &[origin, (name, value)]), "{name}: {value}");
        }
        for (name, value) in [
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", ""),
            ("forwarded", "for=192.0.2.60;proto=http"),
            ("forwarded", "host=https"),
            ("forwarded", "proto"),
        ] {
            assert!(is_noticed("POST", &[origin, (name, value)]), "{name}: {value}");
        }
    }
}
