//! [`SessionManagerBuilder`]: the settings of a manager, checked together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::request::Parts;

use crate::data::SessionData;
use crate::error::ConfigError;
use crate::event::Event;
use crate::frontend::{Frontend, SessionCookie};
use crate::keys::KeyRing;
use crate::manager::SessionManager;
use crate::rejection::Rejection;
use crate::sessions::{OnEvent, OnReject, Sessions};
use crate::store::SessionStore;
use crate::turns::Turns;
use crate::verifier::{AnyVerifier, Verifier};
use crate::watch::Watched;

impl<T: SessionData> SessionManager<T> {
    /// Begins a manager whose sessions live in `store`.
    pub fn builder<S: SessionStore<T>>(store: S) -> SessionManagerBuilder<T> {
        SessionManagerBuilder {
            store: Box::new(store),
            frontend: None,
            keys: None,
            verifier: None,
            on_reject: None,
            on_event: None,
            idle: T::IDLE,
            absolute: T::ABSOLUTE,
            touch_interval: None,
            rotation_grace: Duration::from_secs(30),
            revocation_poll: Duration::from_secs(5),
        }
    }
}

/// Collects a [`SessionManager`]'s settings; [`build`](Self::build) checks them together.
#[must_use = "call `.build()?` to make the manager"]
pub struct SessionManagerBuilder<T: SessionData> {
    store: Box<dyn SessionStore<T>>,
    frontend: Option<Box<dyn Frontend>>,
    keys: Option<KeyRing>,
    verifier: Option<Box<dyn AnyVerifier<T>>>,
    on_reject: Option<Box<OnReject>>,
    on_event: Option<Box<OnEvent<T>>>,
    idle: Duration,
    absolute: Duration,
    touch_interval: Option<Duration>,
    rotation_grace: Duration,
    revocation_poll: Duration,
}

impl<T: SessionData> SessionManagerBuilder<T> {
    /// The signing keys, newest first. Required.
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// How the token travels. Default: [`SessionCookie`], named as the struct's `#[session(cookie = "..")]` says, else `__Host-id`.
    pub fn frontend(mut self, frontend: impl Frontend) -> Self {
        self.frontend = Some(Box::new(frontend));
        self
    }

    /// The application's own yes or no on a loaded session. Default: none, and every live session is accepted.
    pub fn verifier(mut self, verifier: impl Verifier<T>) -> Self {
        self.verifier = Some(Box::new(verifier));
        self
    }

    /// Replaces the response of a refused request. Called where an extractor or a guard refuses; not for an
    /// `Option`, which turns the 401 cases into `None`.
    ///
    /// ```
    /// use anchor::prelude::*;
    /// use axum::response::{IntoResponse, Redirect};
    ///
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .on_reject(|rejection, request| match rejection.is_unauthenticated() {
    ///         true if request.uri.path().starts_with("/app") => Redirect::to("/login").into_response(),
    ///         _ => rejection.clone().into_response(),
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

    /// Tells `hook` of every [`Event`]. It runs where the event happens, so it must not block: send to a channel what takes time.
    ///
    /// ```
    /// use anchor::Event;
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

    /// How long the secret before a [`rotate`](crate::Session::rotate) is still accepted, for requests in flight. Default: 30 seconds.
    ///
    /// Within it a copied token is still good; after it, presenting the old secret ends the session.
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.rotation_grace = grace;
        self
    }

    /// How soon [`Session::revoked`](crate::Session::revoked) notices an end that another node, or the database itself, brought about. Default: 5 seconds.
    /// Costs one load for each waiting session in that time.
    pub fn revocation_poll(mut self, interval: Duration) -> Self {
        self.revocation_poll = interval;
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

    /// How much time passes at least between two writes that mark a session as used. Default: a tenth of the idle timeout.
    ///
    /// A use within this interval of the last recorded one is not recorded, so a session may end by as much earlier than
    /// the idle timeout after its last use. [`Duration::ZERO`] records every use, at the cost of one statement a request.
    pub fn touch_interval(mut self, interval: Duration) -> Self {
        self.touch_interval = Some(interval);
        self
    }

    /// Checks the settings and makes the manager.
    ///
    /// # Errors
    ///
    /// When there are no keys, a lifetime is zero, the idle timeout exceeds the absolute one, the touch interval is not below the idle timeout, or the frontend
    /// refuses its settings. Each message says what to write instead.
    pub fn build(self) -> Result<SessionManager<T>, ConfigError> {
        let payload = std::any::type_name::<T>();
        let refused = |reason: fmt::Arguments<'_>| {
            Err(ConfigError::new(format_args!("sessions of `{payload}`: {reason}")))
        };
        let Some(keys) = self.keys else {
            return refused(format_args!(
                "no signing keys: add `.keys(KeyRing::from_env(\"ANCHOR_KEYS\")?)` before `.build()`"
            ));
        };
        let (idle, absolute) = (self.idle, self.absolute);
        if idle.is_zero() || absolute.is_zero() {
            return refused(format_args!(
                "a lifetime of zero ends every session at once: set `idle` and `absolute` to more"
            ));
        }
        if idle > absolute {
            return refused(format_args!(
                "the idle timeout ({idle:?}) exceeds the absolute one ({absolute:?}): set `idle` to at most `absolute`"
            ));
        }
        if self.revocation_poll.is_zero() {
            return refused(format_args!("`revocation_poll` is zero: set it to a second or more"));
        }
        let touch_interval = self.touch_interval.unwrap_or(idle / 10);
        if touch_interval >= idle {
            return refused(format_args!(
                "the touch interval ({touch_interval:?}) is not below the idle timeout ({idle:?}), so no use would be \
                 recorded in time: set `touch_interval` to less"
            ));
        }
        let frontend = self.frontend.unwrap_or_else(|| {
            Box::new(T::COOKIE.map_or_else(SessionCookie::default, SessionCookie::new))
        });
        if let Err(error) = frontend.check(absolute) {
            return refused(format_args!("{error}"));
        }
        let channel = frontend.channel();
        Ok(SessionManager {
            inner: Arc::new(Sessions {
                store: self.store,
                keys: keys.derive(&channel),
                frontend,
                channel,
                verifier: self.verifier,
                on_reject: self.on_reject,
                on_event: self.on_event,
                watched: Watched::default(),
                turns: Turns::new(),
                idle,
                absolute,
                touch_interval,
                rotation_grace: self.rotation_grace,
                revocation_poll: self.revocation_poll,
            }),
        })
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
