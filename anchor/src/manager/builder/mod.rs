//! [`SessionManagerBuilder`]: the settings of a manager. `build.rs` checks them together.

mod build;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use axum::response::Response;
use http::request::Parts;

use crate::frontend::Frontend;
use crate::manager::Event;
use crate::manager::SessionManager;
use crate::manager::Verifier;
use crate::manager::client::{ClientSettings, FingerprintMismatch};
use crate::manager::environment::Environment;
use crate::manager::sessions::{OnEvent, OnReject};
use crate::manager::verifier::AnyVerifier;
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::store::SessionStore;
use crate::token::keys::KeyRing;

impl<T: SessionData> SessionManager<T> {
    /// Begins a manager whose sessions live in `store`.
    pub fn builder<S: SessionStore<T>>(store: S) -> SessionManagerBuilder<T> {
        SessionManagerBuilder {
            store: Box::new(store),
            store_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            frontend: None,
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
        }
    }
}

/// Collects a [`SessionManager`]'s settings; [`build`](Self::build) checks them together.
#[must_use = "call `.build()?` to make the manager"]
pub struct SessionManagerBuilder<T: SessionData> {
    store: Box<dyn SessionStore<T>>,
    store_timeout: Duration,
    shutdown_timeout: Duration,
    frontend: Option<Box<dyn Frontend>>,
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
}

impl<T: SessionData> SessionManagerBuilder<T> {
    /// The signing keys, newest first. Required.
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// How the token travels. Default: [`SessionCookie`](crate::frontend::SessionCookie), named as
    /// the struct's `#[session(cookie = "..")]` says, else `__Host-id`.
    pub fn frontend(mut self, frontend: impl Frontend) -> Self {
        self.frontend = Some(Box::new(frontend));
        self
    }

    /// The application's own yes or no on a loaded session. Default: none, and every live session
    /// is accepted.
    pub fn verifier(mut self, verifier: impl Verifier<T>) -> Self {
        self.verifier = Some(Box::new(verifier));
        self
    }

    /// Replaces the response of a refused request. Called where an extractor or a guard refuses;
    /// not for an `Option`, which keyed_mutex the 401 cases into `None`. When it panics, that is
    /// logged as an error, and the response is the one without it.
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
        mut self,
        respond: impl Fn(&Rejection, &Parts) -> Response + Send + Sync + 'static,
    ) -> Self {
        self.on_reject = Some(Box::new(respond));
        self
    }

    /// Lets the pages of another origin of yours send requests that change something, as
    /// `https://app.example.com` for a front end with a host of its own. To be called once an
    /// origin.
    ///
    /// Everyone who can run a script there can act with the sessions of your users. To read the
    /// responses as well, that origin also needs CORS, and unless it is of the same site, a cookie
    /// with `SameSite=None`.
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

    /// Lets a `POST` of any site in at this path, and nothing else: for a callback that has to be
    /// cross-site, such as that of OpenID Connect with `response_mode=form_post`. To be called once
    /// per path.
    ///
    /// The handler has to know by itself that its own user sent the request: by OAuth's `state`,
    /// bound to the browser. Everywhere else, and for every other method, the protection stays.
    ///
    /// The path is compared with that of the request, byte by byte and without its query, as the
    /// outermost axum router received it: with the prefixes of [`nest`](axum::Router::nest), before
    /// percent-decoding, with regard to case and to a slash at the end. A request that is written
    /// in another way is refused. Where several session layers surround the route, each needs the
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

    /// KeyedMutex off the protection against cross-site request forgery: any page on the web can
    /// then have its visitors' browsers send requests with their session, as far as the cookie's
    /// `SameSite` lets them. Only for an application that has a protection of its own.
    pub fn dangerously_allow_cross_origin_requests(mut self) -> Self {
        self.allows_cross_origin_requests = true;
        self
    }

    /// Takes keys, cookie, trusted origins and development mode from environment variables;
    /// [`Environment`] lists them. [`build`](Self::build) reads them, and reports every mistake in
    /// them at once.
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
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Tells `hook` of every [`Event`]. It runs where the event happens, so it must not block: send
    /// to a channel what takes time. When it panics, the panic is logged as an error, and what
    /// happened stands: a logout that was carried out is answered as one.
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
    pub fn on_event(mut self, hook: impl Fn(&Event<'_, T>) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(hook));
        self
    }

    /// Where a client's IP address comes from, for a payload with `#[session(track)]`. Default:
    /// nowhere, and none is recorded. When it panics, that is logged as an error, and none is
    /// recorded.
    ///
    /// A direct client's address is axum's `ConnectInfo`. Behind a proxy that is the proxy's own,
    /// and the client's is in a header which the proxy sets: read that one, and only where every
    /// request passes the proxy, for anyone can send the header.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     // This proxy overwrites the header; one that appends to it needs its last entry.
    ///     .client_ip(|request| request.headers.get("x-real-ip")?.to_str().ok()?.parse::<IpAddr>().ok())
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

    /// Binds each session to what `take` makes of the request that logs in: a later request that
    /// gives something else is refused. For a payload with `#[session(fingerprint)]`, which needs
    /// it. Only its SHA-256 is stored. `None` at the login leaves the session unbound; `None` later
    /// does not fit a bound one. When `take` panics, that is logged as an error, and a login, or a
    /// request with a bound session, is answered 500; the session lives on.
    ///
    /// Off by default, because what a request shows is mostly either shared by the thief (the user
    /// agent) or changed by the owner (the IP address of a phone): it then locks out users and
    /// stops few thieves. It earns its place with something the client proves, as the fingerprint
    /// of its TLS certificate.
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

    /// How long the secret before a [`rotate`](crate::Session::rotate) is still accepted, for
    /// requests in flight. Default: 30 seconds.
    ///
    /// Within it a copied token is still good; after it, presenting the old secret ends the
    /// session.
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.rotation_grace = grace;
        self
    }

    /// How soon [`Session::wait_until_ended`](crate::Session::wait_until_ended) notices an end that
    /// another node, or the database itself, brought about. Default: 5 seconds. Costs one load in
    /// that time for each session that is waited for, however many wait for it on this node.
    pub fn revocation_poll(mut self, interval: Duration) -> Self {
        self.revocation_poll = interval;
        self
    }

    /// How long the [`Verifier`]'s yes holds for a session whose handle is kept, as by a WebSocket.
    /// Default: 60 seconds.
    ///
    /// Each [`Session::wait_until_ended`](crate::Session::wait_until_ended) that waits asks the
    /// verifier about its own request that often, and resolves when it refuses.
    /// [`Session::update`](crate::Session::update) asks it first when the last yes is older than
    /// this; a request that is shorter is asked about once.
    pub fn verify_interval(mut self, interval: Duration) -> Self {
        self.verify_interval = interval;
        self
    }

    /// How long a call of the store may take, waits for a connection of its pool included, before
    /// it counts as failed: the request is answered 503, and a logout is not claimed. Default: 10
    /// seconds. [`Duration::MAX`] waits for ever.
    ///
    /// A call that is given up may be carried out all the same, for a database does not always
    /// notice. The pool has a bound of its own, for the wait for a connection alone: with sqlx
    /// `acquire_timeout`, 30 seconds by default. Set that one to less than this, and the log tells
    /// a busy pool from a database that hangs.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// How long [`SessionManager::shutdown`] waits for what is still running. Default: 10 seconds,
    /// as long as one call of the store may take.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// How long a session lives after its last use, in place of the struct's `idle`.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How long a session lives at most after its login, in place of the struct's `absolute`.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = absolute;
        self
    }

    /// How much time passes at least between two writes that mark a session as used. Default: a
    /// tenth of the idle timeout.
    ///
    /// A use within this interval of the last recorded one is not recorded, so a session may end by
    /// as much earlier than the idle timeout after its last use. [`Duration::ZERO`] records every
    /// use, at the cost of one statement a request.
    pub fn touch_interval(mut self, interval: Duration) -> Self {
        self.touch_interval = Some(interval);
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
