//! [`SessionManager`]: store, frontend, keys, verifier and lifetimes of one payload type, and its builder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::request::Parts;

use crate::data::SessionData;
use crate::error::{ConfigError, Error};
use crate::frontend::{Frontend, SessionCookie};
use crate::id::SessionId;
use crate::keys::{KeyRing, TokenKeys};
use crate::layer::SessionLayer;
use crate::rejection::Rejection;
use crate::store::{EndReason, Load, Record, SessionStore};
use crate::turns::Turns;
use crate::verifier::{AnyVerifier, Verifier};

/// Everything that one payload type's sessions need: store, frontend, keys, verifier and lifetimes. Cheap to clone.
///
/// In a request the extractors do the work; the manager serves the code outside requests: an administrator's list, a revocation from a
/// job, the sweep.
pub struct SessionManager<T: SessionData> {
    pub(crate) inner: Arc<ManagerInner<T>>,
}

pub(crate) struct ManagerInner<T> {
    pub(crate) store: Box<dyn SessionStore<T>>,
    pub(crate) frontend: Box<dyn Frontend>,
    pub(crate) channel: String,
    pub(crate) keys: TokenKeys,
    pub(crate) verifier: Option<Box<dyn AnyVerifier<T>>>,
    pub(crate) on_reject: Option<Box<OnReject>>,
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) touch_interval: Duration,
    pub(crate) turns: Turns,
}

pub(crate) type OnReject = dyn Fn(&Rejection, &Parts) -> Response + Send + Sync;

impl<T: SessionData> SessionManager<T> {
    /// Begins a manager whose sessions live in `store`.
    pub fn builder<S: SessionStore<T>>(store: S) -> SessionManagerBuilder<T> {
        SessionManagerBuilder {
            store: Box::new(store),
            frontend: None,
            keys: None,
            verifier: None,
            on_reject: None,
            idle: T::IDLE,
            absolute: T::ABSOLUTE,
            touch_interval: None,
        }
    }

    /// The tower layer that gives a router's routes their sessions. Add it after the routes.
    pub fn layer(&self) -> SessionLayer<T> {
        SessionLayer::new(Arc::clone(&self.inner))
    }

    /// The live sessions of a subject, newest first. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn list(&self, subject: &T::Subject) -> Result<Vec<Record<T>>, Error> {
        Ok(self.inner.store.list(subject).await?)
    }

    /// The live session of this id; `None` when there is none. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn get(&self, id: SessionId) -> Result<Option<Record<T>>, Error> {
        Ok(match self.inner.store.load(id).await? {
            Load::Live(loaded) => Some(Record::clone(&loaded.record)),
            Load::Ended | Load::Absent | Load::Undecodable(_) => None,
        })
    }

    /// Ends a session and says whether it was live. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the session may live on.
    pub async fn revoke(&self, id: SessionId) -> Result<bool, Error> {
        Ok(self.inner.store.revoke(id, None, EndReason::Revoked).await? > 0)
    }

    /// Ends every session of a subject and says how many there were. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_subject(&self, subject: &T::Subject) -> Result<u64, Error> {
        Ok(self.inner.store.revoke_subject(subject, EndReason::Revoked).await?)
    }

    /// Ends every session of a subject but one and says how many it ended. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_others(&self, subject: &T::Subject, keep: SessionId) -> Result<u64, Error> {
        Ok(self.inner.store.revoke_others(subject, keep, EndReason::Revoked).await?)
    }

    /// Removes at most `batch` ended rows and says how many. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn sweep(&self, batch: u32) -> Result<u64, Error> {
        Ok(self.inner.store.sweep(batch).await?)
    }
}

impl<T: SessionData> Clone for SessionManager<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: SessionData> fmt::Debug for SessionManager<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("table", &T::schema().table)
            .field("channel", &self.inner.channel)
            .field("idle", &self.inner.idle)
            .field("absolute", &self.inner.absolute)
            .finish_non_exhaustive()
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
    idle: Duration,
    absolute: Duration,
    touch_interval: Option<Duration>,
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
            inner: Arc::new(ManagerInner {
                store: self.store,
                keys: keys.derive(&channel),
                frontend,
                channel,
                verifier: self.verifier,
                on_reject: self.on_reject,
                idle,
                absolute,
                touch_interval,
                turns: Turns::new(),
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
