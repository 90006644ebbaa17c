//! [`SessionManagerBuilder`]: the settings of a manager. `build.rs` checks them together.

mod build;
#[cfg(feature = "cache")]
mod cache;
mod times;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use axum::response::Response;
#[cfg(feature = "cache")]
use cache::CacheSettings;
use http::request::Parts;

use crate::frontend::Frontend;
use crate::manager::client::{ClientSettings, FingerprintMismatch};
use crate::manager::environment::Environment;
use crate::manager::sessions::{OnEvent, OnReject};
use crate::manager::verifier::AnyVerifier;
use crate::manager::{Event, SessionManager, Verifier};
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::store::SessionStore;
use crate::token::keys::KeyRing;

impl<T: SessionData> SessionManager<T> {
    /// Returns a builder for a manager that keeps its sessions in `store`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # fn example(pool: sqlx::PgPool) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(PostgresStore::new(pool))
    ///     .keys(KeyRing::from_env("ANCHOR_KEYS")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder<S: SessionStore<T>>(store: S) -> SessionManagerBuilder<T> {
        SessionManagerBuilder {
            store: Box::new(store),
            store_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            frontend: None,
            more_frontends: Vec::new(),
            keys: None,
            verifier: None,
            on_reject: None,
            trusted_origins: Vec::new(),
            cross_origin_posts: Vec::new(),
            environment: None,
            allows_cross_origin_requests: false,
            on_event: None,
            idle: T::IDLE,
            absolute: T::ABSOLUTE,
            touch_interval: None,
            rotation_grace: Duration::from_secs(30),
            revocation_poll: Duration::from_secs(5),
            verify_interval: Duration::from_secs(60),
            client: ClientSettings::default(),
            is_one_time: false,
            #[cfg(feature = "cache")]
            cache: CacheSettings::default(),
        }
    }
}

/// Collects the settings of a [`SessionManager`]. [`build`](Self::build) checks them together.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
///     .keys(KeyRing::generate()?)
///     .idle(Duration::from_secs(30 * 60))
///     .trusted_origin("https://app.example.com")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "call `.build()?` to make the manager"]
pub struct SessionManagerBuilder<T: SessionData> {
    store: Box<dyn SessionStore<T>>,
    store_timeout: Duration,
    shutdown_timeout: Duration,
    frontend: Option<Box<dyn Frontend>>,
    more_frontends: Vec<Box<dyn Frontend>>,
    keys: Option<KeyRing>,
    verifier: Option<Box<dyn AnyVerifier<T>>>,
    on_reject: Option<Box<OnReject>>,
    trusted_origins: Vec<String>,
    cross_origin_posts: Vec<String>,
    environment: Option<Environment>,
    allows_cross_origin_requests: bool,
    on_event: Option<Box<OnEvent<T>>>,
    idle: Duration,
    absolute: Duration,
    touch_interval: Option<Duration>,
    rotation_grace: Duration,
    revocation_poll: Duration,
    verify_interval: Duration,
    client: ClientSettings,
    /// Whether it builds one-time tokens.
    is_one_time: bool,
    #[cfg(feature = "cache")]
    cache: CacheSettings,
}

impl<T: SessionData> SessionManagerBuilder<T> {
    /// Sets the signing keys, newest first. Required.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::from_file_or_generate("session.key")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn keys(self, keys: KeyRing) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// Sets how the token travels. Default: a [`SessionCookie`](crate::frontend::SessionCookie)
    /// with the name that the struct's `#[session(cookie = "..")]` gives, or `__Host-id`.
    /// [`add_frontend`](Self::add_frontend) adds other ways.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use anchor::frontend::SessionCookie;
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .frontend(SessionCookie::new("id").domain("example.com"))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn frontend(self, frontend: impl Frontend) -> Self {
        Self { frontend: Some(Box::new(frontend)), ..self }
    }

    /// Adds another way on which the token may travel, such as a bearer token for a mobile app
    /// beside the cookie for browsers. The same handlers serve both. Call it once per frontend; a
    /// manager has at most eight.
    ///
    /// | request | what happens |
    /// | --- | --- |
    /// | carries one token, on any frontend | it is accepted on that frontend, and a rotation, a renewal and a logout answer on that frontend |
    /// | carries tokens on several frontends | 401, unless all are of the same session and secret; the log says `several different tokens`. `Option<Session<T>>` is `None`. A logout ends the sessions of all of them, and removes them from every frontend on which there was one |
    /// | logs in | the token goes to the first frontend, or to the one that [`via`](crate::request::Login::via) names; the sessions of the request's tokens end, and those tokens are removed |
    ///
    /// A token is bound to its frontend: the token of the cookie is not valid as a bearer token.
    /// Cross-origin protection does not apply to a request that carries a genuine token on a
    /// frontend that is not [sent by browsers](Frontend::is_sent_by_browsers), and nothing on one
    /// that is. It applies to every other request, such as a login.
    ///
    /// ```
    /// use anchor::frontend::Bearer;
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// // The default cookie, and `Authorization: Bearer ..`.
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .add_frontend(Bearer)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_frontend(mut self, frontend: impl Frontend) -> Self {
        self.more_frontends.push(Box::new(frontend));
        self
    }

    /// Sets the application's own check of a loaded session. Default: none. Every live session is
    /// accepted.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use anchor::manager::{BoxError, Verdict, Verifier};
    /// use anchor::store::Record;
    /// use axum::http::request::Parts;
    ///
    /// struct IsStillAUser;
    ///
    /// impl Verifier<UserSession> for IsStillAUser {
    ///     async fn verify(
    ///         &self,
    ///         session: &Record<UserSession>,
    ///         _request: &Parts,
    ///     ) -> Result<Verdict, BoxError> {
    ///         // Ask the table of users here.
    ///         Ok(if session.data.user_id > 0 { Verdict::Accept } else { Verdict::Refuse })
    ///     }
    /// }
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .verifier(IsStillAUser)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn verifier(self, verifier: impl Verifier<T>) -> Self {
        Self { verifier: Some(Box::new(verifier)), ..self }
    }

    /// Replaces the response to a refused request. `respond` is called when an extractor or a guard
    /// refuses. It is not called for an `Option`, which turns the 401 cases into `None`. If it
    /// panics, the panic is logged as an error, and the default response is sent: JSON, or a page
    /// for a browser ([`Rejection`]). What `respond` makes of [`Rejection`] itself is the default
    /// response, too. [`wants_html`](crate::wants_html) says whether the request asks for a page.
    ///
    /// A response that the application has made of the rejection stays: one with another status,
    /// body or content type.
    ///
    /// ```
    /// use anchor::prelude::*;
    /// use axum::response::{IntoResponse, Redirect};
    ///
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .on_reject(|rejection, request| {
    ///         if rejection.is_unauthenticated() && request.uri.path().starts_with("/app") {
    ///             Redirect::to("/login").into_response()
    ///         } else {
    ///             rejection.clone().into_response()
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_reject(
        self,
        respond: impl Fn(&Rejection, &Parts) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self { on_reject: Some(Box::new(respond)), ..self }
    }

    /// Allows the pages of another origin of yours to send requests that change something, such as
    /// `https://app.example.com` for a front end on its own host. Call it once per origin.
    ///
    /// Anyone who can run a script on that origin can act with the sessions of your users. To read
    /// the responses as well, the origin also needs CORS and, unless it is on the same site, a
    /// cookie with `SameSite=None`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .trusted_origin("https://app.example.com")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Allows a `POST` from any site at this path, and nothing else. For a callback that must be
    /// cross-site, such as that of OpenID Connect with `response_mode=form_post`. Call it once per
    /// path.
    ///
    /// The handler must check by itself that its own user sent the request: by OAuth's `state`,
    /// bound to the browser. Every other path and every other method stays protected.
    ///
    /// The path is compared byte by byte with the path of the request, without its query, as the
    /// outermost axum router received it: with the prefixes of [`nest`](axum::Router::nest), before
    /// percent-decoding, and including case and a slash at the end. A request that writes the path
    /// in another way is refused. If several session layers surround the route, each one needs this
    /// setting.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .allow_cross_origin_post("/oidc/callback")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_cross_origin_post(mut self, path: impl Into<String>) -> Self {
        self.cross_origin_posts.push(path.into());
        self
    }

    /// Turns off the protection against cross-site request forgery. Any page on the web can then
    /// make its visitors' browsers send requests with their session, as far as the cookie's
    /// `SameSite` allows. Only for an application that has its own protection.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     // Only behind a check of your own.
    ///     .dangerously_allow_cross_origin_requests()
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn dangerously_allow_cross_origin_requests(self) -> Self {
        Self { allows_cross_origin_requests: true, ..self }
    }

    /// Takes the keys, the cookie, the trusted origins and the development mode from environment
    /// variables. [`Environment`] lists them. [`build`](Self::build) reads them, and reports every
    /// mistake in them at once.
    ///
    /// ```no_run
    /// use anchor::Environment;
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .environment(Environment::of_process("ANCHOR"))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn environment(self, environment: Environment) -> Self {
        Self { environment: Some(environment), ..self }
    }

    /// Calls `hook` for every [`Event`]. It runs where the event happens, so it must not block:
    /// send work that takes time to a channel. If it panics, the panic is logged as an error, and
    /// what happened is not undone: a logout that was carried out is still answered as one.
    ///
    /// ```
    /// use anchor::manager::Event;
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let (audit, _rows) = std::sync::mpsc::channel();
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .on_event(move |event| {
    ///         if let Event::Revoked { which, reason, .. } = event {
    ///             let _ = audit.send((*which, *reason));
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_event(self, hook: impl Fn(&Event<'_, T>) + Send + Sync + 'static) -> Self {
        Self { on_event: Some(Box::new(hook)), ..self }
    }

    /// Sets where the IP address of a client comes from, for a payload with `#[session(track)]`.
    /// Default: none, and no address is recorded. If `ip` panics, the panic is logged as an error,
    /// and no address is recorded.
    ///
    /// The address of a direct client is axum's `ConnectInfo`. Behind a proxy, that is the address
    /// of the proxy, and the address of the client is in a header that the proxy sets. Read that
    /// header only if every request passes through the proxy, because anyone can send it.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     // This proxy overwrites the header. If yours appends to it, read the last entry.
    ///     .client_ip(|request| {
    ///         request.headers.get("x-real-ip")?.to_str().ok()?.parse::<IpAddr>().ok()
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_ip(
        mut self,
        ip: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.client.ip = Some(Box::new(ip));
        self
    }

    /// Binds each session to what `take` returns for the request that logs in: a later request for
    /// which it returns something else is refused. For a payload with `#[session(fingerprint)]`,
    /// which requires it. Only its SHA-256 is stored. If `take` returns `None` at the login, the
    /// session stays unbound. If it returns `None` later, that does not match a bound session. If
    /// `take` panics, the panic is logged as an error, and the session stays live. A login, or a
    /// request with a bound session, is then answered 500.
    ///
    /// Off by default, because most of what a request shows is either shared by the thief (the user
    /// agent) or changed by the owner (the IP address of a phone). It then locks out users and
    /// stops few thieves. It is useful with something that the client proves, such as the
    /// fingerprint of its TLS certificate.
    ///
    /// ```
    /// use anchor::manager::FingerprintMismatch;
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(fingerprint)]
    /// # struct UserSession { name: String }
    /// # fn demo(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     // The proxy puts the client certificate's fingerprint here.
    ///     .fingerprint(FingerprintMismatch::End, |request| {
    ///         Some(request.headers.get("x-client-cert-sha256")?.as_bytes().to_vec())
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn fingerprint(
        mut self,
        on_mismatch: FingerprintMismatch,
        take: impl Fn(&Parts) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.client.fingerprint = Some((Box::new(take), on_mismatch));
        self
    }
}

impl<T: SessionData> fmt::Debug for SessionManagerBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManagerBuilder")
            .field("table", &T::schema().table)
            .field("keys", &self.keys)
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .finish_non_exhaustive()
    }
}
