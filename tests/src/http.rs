//! A real HTTP server on a loopback port, and a client that keeps no cookies: a test says by hand
//! what it sends.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A router that is being served, until this value is dropped.
pub struct Served {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _stop: Option<oneshot::Sender<()>>,
}

impl Served {
    /// Serves `router` on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        tokio::spawn(async { serving.await });
        Self { _stop: Some(stop), ..Self::elsewhere(address) }
    }

    /// A router that another process serves at this address.
    pub fn elsewhere(address: SocketAddr) -> Self {
        Self { address, client: Client::builder(TokioExecutor::new()).build_http(), _stop: None }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    /// `POST path`.
    pub fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    /// A request of any method.
    ///
    /// # Panics
    ///
    /// When `path` does not make a URI.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().expect("a URI");
        Call { served: self, request }
    }
}

/// A request that is being put together.
#[must_use = "a request goes out with `.send().await`"]
pub struct Call<'s> {
    served: &'s Served,
    request: Request<Full<Bytes>>,
}

impl Call<'_> {
    /// Adds a header.
    ///
    /// # Panics
    ///
    /// When `value` cannot be one.
    pub fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header's value");
        self.request.headers_mut().append(name, value);
        self
    }

    /// Adds a `Cookie` header of this content; none when it is empty.
    pub fn cookie(self, cookie: impl AsRef<[u8]>) -> Self {
        if cookie.as_ref().is_empty() { self } else { self.header(COOKIE, cookie) }
    }

    /// Sends this as JSON.
    ///
    /// # Panics
    ///
    /// When serde cannot write it.
    pub fn json(self, body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("JSON");
        self.header(http::header::CONTENT_TYPE, "application/json").body(body)
    }

    /// Sends this body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = Full::new(body.into());
        self
    }

    /// Sends the request, and reads the whole answer.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("an answer")
    }

    /// Sends the request; `None` when the connection ends without an answer.
    pub async fn try_send(self) -> Option<Answer> {
        let response = self.served.client.request(self.request).await.ok()?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer { status: head.status, headers: head.headers, body })
    }
}

/// A response, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// Every `Set-Cookie`.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("ASCII"))
            .collect()
    }

    /// The one `Set-Cookie`.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    #[track_caller]
    pub fn set_cookie(&self) -> &str {
        let cookies = self.set_cookies();
        assert_eq!(cookies.len(), 1, "one Set-Cookie: {self:?}");
        cookies[0]
    }

    /// What a browser sends back for the one `Set-Cookie`: `name=value`.
    #[track_caller]
    pub fn cookie(&self) -> String {
        self.set_cookie().split(';').next().unwrap_or_default().to_owned()
    }

    /// The value of the one `Set-Cookie`.
    #[track_caller]
    pub fn token(&self) -> String {
        self.set_cookie()
            .split(';')
            .next()
            .and_then(|pair| pair.split_once('='))
            .map_or_else(String::new, |(_, token)| token.to_owned())
    }

    /// The value of a header that comes once at most.
    ///
    /// # Panics
    ///
    /// When it comes more often.
    #[track_caller]
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(&name).iter();
        let value = values.next();
        assert!(values.next().is_none(), "one {name}: {self:?}");
        value.map(|value| value.to_str().expect("ASCII"))
    }

    /// Fails unless the status is `expected`; returns the answer.
    ///
    /// # Panics
    ///
    /// When it is another one.
    #[track_caller]
    pub fn expect(self, expected: StatusCode) -> Self {
        assert_eq!(self.status, expected, "{self:?}");
        self
    }
}
