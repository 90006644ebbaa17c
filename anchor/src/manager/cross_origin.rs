//! [`CrossOriginProtection`]: refuses requests that another site made a browser send (CSRF), by
//! what browsers themselves say about a request.
//!
//! The decision is made by `tower-http`, which follows Go's `http.CrossOriginProtection`. It is
//! given only the few parts of a request that matter.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::extract::OriginalUri;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use tower_http::csrf::{Csrf, CsrfLayer, ProtectionError};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::ConfigError;
use crate::excerpt::excerpt;
use crate::rejection::Rejection;

/// How many characters of an `Origin` or a `Host` are shown.
pub(super) const LONGEST_ORIGIN: usize = 100;

pub(crate) struct CrossOriginProtection {
    csrf: Csrf<Allow, fn(ProtectionError) -> Response<Verdict>>,
    /// The paths where a `POST` from any site is allowed.
    open_paths: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Refused,
}

/// The service behind [`Csrf`]: it is called when the request may pass.
#[derive(Clone)]
struct Allow;

impl Service<Request<()>> for Allow {
    type Response = Response<Verdict>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Verdict>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Verdict::Allowed)))
    }
}

impl CrossOriginProtection {
    /// Makes a protection that allows requests from these origins, as it allows those from the
    /// application's own, and a `POST` from any origin to one of these paths.
    pub(crate) fn new(origins: &[String], open_paths: Vec<String>) -> Result<Self, ConfigError> {
        let refuse: fn(ProtectionError) -> Response<Verdict> = |_| Response::new(Verdict::Refused);
        let mut layer = CsrfLayer::new().with_rejection_response(refuse);
        for origin in origins {
            check(origin)?;
            layer = layer
                .add_trusted_origin(origin)
                .map_err(|error| ConfigError::new(format_args!("{error}")))?;
        }
        open_paths.iter().try_for_each(|path| check_path(path))?;
        Ok(Self { csrf: layer.layer(Allow), open_paths })
    }

    /// Returns the refusal of a request that another site caused. Safe methods pass without a
    /// check, unless they open a WebSocket: that is a `GET` which browsers let any site make, with
    /// cookies.
    pub(crate) fn refusal<B>(&self, request: &Request<B>) -> Option<Rejection> {
        let headers = request.headers();
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let opens_websocket = opens_websocket(headers);
        if !opens_websocket && (safe || self.is_open(request)) {
            return None;
        }
        let method = if safe { &Method::POST } else { request.method() };
        let verdict = self.ask(method.clone(), request.uri().clone(), headers);
        (verdict == Verdict::Refused).then(|| Rejection::CrossOrigin {
            origin: headers.get(header::ORIGIN).map(|origin| quoted(origin.as_bytes())),
            host: compared_host(request).map(quoted),
        })
    }

    /// Returns whether the request is a `POST` to a path that is open to other sites. The path is
    /// the one that the outermost axum router received, byte by byte: a path that two parsers may
    /// read in two ways is not equal to it, and stays closed.
    fn is_open<B>(&self, request: &Request<B>) -> bool {
        if self.open_paths.is_empty() || *request.method() != Method::POST {
            return false;
        }
        // A nested router sees only its own part of the path.
        let original = request.extensions().get::<OriginalUri>();
        let path = original.map_or(request.uri(), |OriginalUri(uri)| uri).path();
        self.open_paths.iter().any(|open| open == path)
    }

    fn ask(&self, method: Method, uri: Uri, headers: &HeaderMap) -> Verdict {
        let mut question = Request::new(());
        *question.method_mut() = method;
        *question.uri_mut() = uri;
        for name in ["origin", "sec-fetch-site", "host"] {
            let mut values = headers.get_all(name).iter();
            let Some(value) = values.next() else { continue };
            // No browser sends two. A proxy may have added its own to that of the browser.
            if values.any(|other| other != value) {
                return Verdict::Refused;
            }
            question.headers_mut().insert(name, value.clone());
        }
        let answer = pin!(self.csrf.clone().call(question));
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(answer)) => *answer.body(),
            // Both answers are ready immediately.
            Poll::Pending => Verdict::Refused,
        }
    }
}

/// Returns what the `Origin` is compared with: the authority of the request's target, or else
/// `Host`. A browser that sends `Sec-Fetch-Site` has compared by itself, and its answer counts.
fn compared_host<B>(request: &Request<B>) -> Option<&[u8]> {
    if request.headers().contains_key("sec-fetch-site") {
        return None;
    }
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    target.or_else(|| request.headers().get(header::HOST).map(HeaderValue::as_bytes))
}

fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", excerpt(text.escape_ascii(), LONGEST_ORIGIN))
}

fn opens_websocket(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Checks a trusted origin. What browsers send in `Origin` is compared byte by byte, so an origin
/// that is written in another way would never match.
pub(crate) fn check(origin: &str) -> Result<(), ConfigError> {
    let refused = |reason: std::fmt::Arguments<'_>| {
        Err(ConfigError::new(format_args!("trusted origin `{}`: {reason}", origin.escape_debug())))
    };
    let no_origin = format_args!(
        "write scheme, host and port as a browser sends them, such as \
         `https://app.example.com`, without a path"
    );
    let Ok(uri) = origin.parse::<Uri>() else { return refused(no_origin) };
    let (Some(scheme @ ("http" | "https")), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return refused(no_origin);
    };
    if host.is_empty() || host.contains('*') {
        return refused(no_origin);
    }
    let default = if scheme == "https" { 443 } else { 80 };
    let port = uri.port_u16().filter(|port| *port != default);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let canonical = format!("{scheme}://{}{port}", host.to_ascii_lowercase());
    if origin != canonical {
        return refused(format_args!("browsers send it as `{canonical}`; write that"));
    }
    Ok(())
}

/// Checks an open path. It is compared byte by byte with that of a request, so a path that is
/// written in another way would never match, or would open more.
fn check_path(path: &str) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let segments = path.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let fine = match segments {
        Some("") => path == "/",
        Some(segments) => segments
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)),
        None => false,
    };
    if fine {
        return Ok(());
    }
    Err(ConfigError::new(format_args!(
        "`.allow_cross_origin_post(\"{}\")`: write the whole path of one route, such as \
         `/oidc/callback`: letters, digits and `-._~` between single slashes, \
         without parameters, wildcards or a query",
        path.escape_debug()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a request with this method and these headers passes.
    fn passes(method: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let trusted = ["https://app.example.com".to_owned()];
        let protection = CrossOriginProtection::new(&trusted, Vec::new()).unwrap();
        protection.refusal(&request.body(()).unwrap()).is_none()
    }

    #[test]
    fn another_site_passes_with_safe_methods_alone() {
        let evil = [("origin", "https://evil.example"), ("host", "example.com")];
        let evil_site = [("sec-fetch-site", "cross-site"), ("host", "example.com")];
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(passes(method, &evil) && passes(method, &evil_site), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "QUERY"] {
            assert!(!passes(method, &evil) && !passes(method, &evil_site), "{method}");
        }
    }

    #[test]
    fn the_own_origin_trusted_ones_and_clients_that_are_no_browsers_pass() {
        let host = ("host", "example.com");
        for headers in [
            &[host][..],
            &[host, ("origin", "https://example.com")],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "https://example.com")],
            // The scheme is not compared, as SECURITY.md says.
            &[host, ("origin", "http://example.com")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "https://app.example.com")],
            &[host, ("sec-fetch-site", "same-site"), ("origin", "https://app.example.com")],
        ] {
            assert!(passes("POST", headers), "{headers:?}");
        }
        for headers in [
            &[host, ("origin", "null")][..],
            &[host, ("origin", "https://example.com:8443")],
            &[host, ("origin", "https://example.com.evil.example")],
            &[host, ("origin", "https://app.example.com:444")],
            &[host, ("origin", "http://app.example.com")],
            &[host, ("origin", "https://App.example.com")],
            &[host, ("sec-fetch-site", "same-site"), ("origin", "https://other.example.com")],
            &[host, ("sec-fetch-site", "cross-site"), ("origin", "https://example.com")],
            &[host, ("sec-fetch-site", "Same-Origin")],
        ] {
            assert!(!passes("POST", headers), "{headers:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_was_compared() {
        let refusal = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().method("POST").uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let protection = CrossOriginProtection::new(&[], Vec::new()).unwrap();
            protection.refusal(&request.body(()).unwrap()).unwrap().to_string()
        };
        let (origin, host) = (("origin", "https://shop.example"), ("host", "127.0.0.1:3000"));
        assert_eq!(
            refusal(&[origin, host]),
            "a browser sent this request for another origin: its `Origin` is \
             \"https://shop.example\", and its `Host` is \"127.0.0.1:3000\"; if a proxy has \
             replaced `Host`, configure it to forward what the browser sent, as nginx does with \
             `proxy_set_header Host $host;`; if that origin is another one of the application's \
             own, name it with `.trusted_origin(..)` before `.build()`; for one callback, name its \
             path with `.allow_cross_origin_post(..)`"
        );
        let by_target = Request::builder().method("POST").uri("http://b.example/");
        let by_target = by_target.header("origin", "https://shop.example").header("host", "c");
        let protection = CrossOriginProtection::new(&[], Vec::new()).unwrap();
        let by_target = protection.refusal(&by_target.body(()).unwrap()).unwrap().to_string();
        assert!(by_target.contains("its `Host` is \"b.example\""), "{by_target}");
        // The browser has compared, so no proxy is to blame.
        let site = ("sec-fetch-site", "cross-site");
        assert_eq!(
            refusal(&[origin, host, site]),
            "a browser sent this request for another origin: its `Origin` is \
             \"https://shop.example\"; if that origin is another one of the application's own, \
             name it with `.trusted_origin(..)` before `.build()`; for one callback, name its path \
             with `.allow_cross_origin_post(..)`"
        );
        assert!(refusal(&[host, site]).contains("another origin: it has no `Origin`; if that"));
        let long = refusal(&[("origin", "https://a\u{fc}"), ("host", &"x".repeat(200))]);
        assert!(long.contains("https://a\\xc3\\xbc") && long.contains("[cut]"), "{long}");
    }

    #[test]
    fn a_websocket_of_another_site_is_refused() {
        let host = ("host", "example.com");
        let evil = ("origin", "https://evil.example");
        assert!(!passes("GET", &[host, evil, ("upgrade", "websocket")]));
        assert!(!passes("GET", &[host, evil, ("upgrade", "WebSocket")]));
        assert!(passes(
            "GET",
            &[host, ("origin", "https://example.com"), ("upgrade", "websocket")]
        ));
        assert!(passes("GET", &[host, ("upgrade", "h2c")]));
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_refused() {
        let refusal = |origin: &str| {
            let trusted = CrossOriginProtection::new(&[origin.to_owned()], Vec::new());
            trusted.err().map(|error| error.to_string())
        };
        for good in ["https://app.example.com", "http://localhost:3000", "https://[::1]:8443"] {
            assert_eq!(refusal(good), None, "{good}");
        }
        for (origin, instead) in [
            ("app.example.com", "write scheme, host and port"),
            ("*", "write scheme, host and port"),
            ("https://*.example.com", "write scheme, host and port"),
            ("null", "write scheme, host and port"),
            ("", "write scheme, host and port"),
            ("file:///etc", "write scheme, host and port"),
            ("https://ünicode.example", "write scheme, host and port"),
            ("https://app.example.com/", "`https://app.example.com`; write that"),
            ("https://app.example.com/login", "`https://app.example.com`; write that"),
            ("https://app.example.com?x", "`https://app.example.com`; write that"),
            ("https://App.Example.com", "`https://app.example.com`; write that"),
            ("https://app.example.com:443", "`https://app.example.com`; write that"),
            ("http://app.example.com:80", "`http://app.example.com`; write that"),
            ("https://me@app.example.com", "`https://app.example.com`; write that"),
            ("https://app.example.com#x", "`https://app.example.com`; write that"),
        ] {
            let message = refusal(origin).unwrap_or_else(|| panic!("{origin} was trusted"));
            assert!(message.contains(instead), "{message}");
        }
    }
}
