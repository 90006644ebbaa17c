//! [`SessionManagerBuilder`]: the settings of a manager. `build.rs` checks them together.

mod build;
#[cfg(feature = "cache")]
mod cache;

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
    pub fn keys(self, keys: KeyRing) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// Sets how the token travels. Default: a [`SessionCookie`](crate::frontend::SessionCookie)
    /// with the name that the struct's `#[session(cookie = "..")]` gives, or `__Host-id`.
    /// [`add_frontend`](Self::add_frontend) adds other ways.
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
    /// Cross-origin protection does not apply to a request that carries a token on a frontend that
    /// is not [sent by browsers](Frontend::is_sent_by_browsers), and nothing on one that is. With
    /// something on both, it applies, and also with nothing on either, as for a login.
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
    pub fn verifier(self, verifier: impl Verifier<T>) -> Self {
        Self { verifier: Some(Box::new(verifier)), ..self }
    }

    /// Replaces the response to a refused request. `respond` is called when an extractor or a guard
    /// refuses. It is not called for an `Option`, which turns the 401 cases into `None`. If it
    /// panics, the panic is logged as an error, and the default response is sent: JSON, or a page
    /// for a browser ([`Rejection`]). What `respond` makes of [`Rejection`] itself is the default
    /// response, too.
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

    /// Sets how long the secret from before a [`rotate`](crate::Session::rotate) is still accepted,
    /// for requests in flight. Default: 30 seconds.
    ///
    /// Within this time, a copied token still works. After it, presenting the old secret ends the
    /// session.
    pub fn rotation_grace(self, grace: Duration) -> Self {
        Self { rotation_grace: grace, ..self }
    }

    /// Sets how soon [`Session::wait_until_ended`](crate::Session::wait_until_ended) notices an end
    /// that another node, or the database itself, caused. Default: 5 seconds. Costs one load in
    /// that time for each session that is waited for, however many wait for it on this node.
    pub fn revocation_poll(self, interval: Duration) -> Self {
        Self { revocation_poll: interval, ..self }
    }

    /// Sets how long an acceptance by the [`Verifier`] stays valid for a session whose handle is
    /// kept, such as by a WebSocket. Default: 60 seconds.
    ///
    /// Each [`Session::wait_until_ended`](crate::Session::wait_until_ended) that waits asks the
    /// verifier about its own request at this interval, and resolves when the verifier refuses.
    /// [`Session::update`](crate::Session::update) asks the verifier first if its last acceptance
    /// is older than this. For a request that is shorter, the verifier is asked once.
    pub fn verify_interval(self, interval: Duration) -> Self {
        Self { verify_interval: interval, ..self }
    }

    /// Sets how long a call of the store may take, including the wait for a connection of its pool,
    /// before it counts as failed. The request is then answered 503, and a logout is not claimed.
    /// Default: 10 seconds. [`Duration::MAX`] waits forever.
    ///
    /// A call that timed out may still be carried out, because a database does not always notice.
    /// The pool has its own limit, only for the wait for a connection: with sqlx,
    /// `acquire_timeout`, 30 seconds by default. Set that limit to less than this one, so that the
    /// log distinguishes a busy pool from a database that hangs.
    pub fn store_timeout(self, timeout: Duration) -> Self {
        Self { store_timeout: timeout, ..self }
    }

    /// Sets how long [`SessionManager::shutdown`] waits for what is still running. Default: 10
    /// seconds, as long as one call of the store may take.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown_timeout: timeout, ..self }
    }

    /// Sets how long a session lives after its last use, instead of the struct's `idle`.
    pub fn idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// Sets how long a session lives at most after its login, instead of the struct's `absolute`.
    pub fn absolute(self, absolute: Duration) -> Self {
        Self { absolute, ..self }
    }

    /// Sets the least time between two writes that mark a session as used. Default: a tenth of the
    /// idle timeout.
    ///
    /// A use within this interval after the last recorded one is not recorded. A session may
    /// therefore expire by as much earlier than the idle timeout after its last use.
    /// [`Duration::ZERO`] records every use, at the cost of one touch per request, or of what
    /// follows.
    ///
    /// **Uses are written together, after the response**, if the store can do that, as the SQL
    /// stores can ([`SessionStore::uses_recorder`]). A use waits for at most half a second. Then
    /// the uses of all sessions that wait are written, 64 with one statement, each with the time
    /// of its own request. So waiting changes neither the idle timeout nor the deadline, and of two
    /// nodes, the later use counts. Other requests see the new `last_seen_at` by as much later.
    /// [`Event::Touched`](crate::manager::Event::Touched) is emitted when it is written.
    ///
    /// A use is written in the request itself if the session would expire within 30 seconds or
    /// three times [`store_timeout`](Self::store_timeout), if the use settles a rotation, if 4,096
    /// uses wait already, or if the store is so slow that one of them has waited for two seconds.
    /// So is [`Session::touch`]. [`SessionManager::shutdown`] writes the uses that wait. A process
    /// that is killed loses them: that is as if these uses were within the interval.
    ///
    /// [`Session::touch`]: crate::Session::touch
    pub fn touch_interval(self, interval: Duration) -> Self {
        Self { touch_interval: Some(interval), ..self }
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
