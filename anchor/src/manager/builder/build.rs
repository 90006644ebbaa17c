//! [`SessionManagerBuilder::build`]: checks the settings together and makes the manager.

use std::any::type_name;
use std::sync::Arc;
use std::time::Duration;

use super::SessionManagerBuilder;
use crate::error::ConfigError;
use crate::frontend::SessionCookie;
use crate::manager::SessionManager;
use crate::manager::channels::Channels;
use crate::manager::cross_origin::CrossOriginProtection;
#[cfg(feature = "cache")]
use crate::manager::listener::Listener;
use crate::manager::one_time::{Link, OneTimeTokens};
use crate::manager::plain_http::PlainHttp;
use crate::manager::sessions::Sessions;
use crate::manager::tasks::Tasks;
use crate::manager::touches::Touches;
use crate::manager::watch::table::Watches;
use crate::payload::SessionData;
use crate::store::Bounded;
use crate::store::keyed_mutex::KeyedMutex;

impl<T: SessionData> SessionManagerBuilder<T> {
    /// Checks the settings and returns the manager.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// let builder = SessionManager::<UserSession>::builder(MemoryStore::new());
    /// let refusal = builder.build().unwrap_err();
    /// assert!(refusal.to_string().contains("KeyRing"));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the environment has a mistake, there are no keys, a lifetime or another
    /// duration is zero, the idle timeout exceeds the absolute timeout, the touch interval is not
    /// below the idle timeout, the lease of the cache is too long, a frontend refuses its
    /// settings, two frontends use the same cookie or header, there are more than eight frontends,
    /// a trusted origin is not one that a browser sends, an open path is not a path, or a live
    /// manager of another payload in this process uses the same cookie or header. Each message says
    /// what to write instead.
    pub fn build(self) -> Result<SessionManager<T>, ConfigError> {
        let payload = type_name::<T>();
        let sessions = self
            .checked()
            .map_err(|error| error.within(format_args!("sessions of `{payload}`")))?;
        Ok(SessionManager { inner: Arc::new(sessions) })
    }

    /// Checks the settings and returns one-time tokens instead of sessions: for links in e-mails.
    /// They need a store and keys, and take the environment's keys, the events, the lifetime
    /// (`absolute`) and the timeouts from this builder. Cookies and cross-origin settings do not
    /// concern them.
    ///
    /// ```
    /// use anchor::prelude::*;
    ///
    /// #[derive(Clone, SessionData)]
    /// #[session(table = "invitations", absolute = "7d")]
    /// struct Invitation { email: String }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let invitations = SessionManager::<Invitation>::builder(MemoryStore::new())
    ///     .keys(KeyRing::generate()?)
    ///     .build_one_time_tokens()?;
    /// let token = invitations.issue(Invitation { email: "a@example.com".into() }).await?;
    /// assert_eq!(invitations.redeem(token.expose()).await?.unwrap().email, "a@example.com");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`build`](Self::build), and an error if there is a frontend, a
    /// verifier or a fingerprint, which need a request, or if a live manager of another payload in
    /// this process issues one-time tokens from a table of this name.
    pub fn build_one_time_tokens(self) -> Result<OneTimeTokens<T>, ConfigError> {
        Self { is_one_time: true, ..self }.build().map(OneTimeTokens::of)
    }

    fn checked(mut self) -> Result<Sessions<T>, ConfigError> {
        if self.is_one_time {
            self.check_one_time()?;
        }
        #[cfg(all(feature = "testing", not(debug_assertions)))]
        tracing::warn!(
            target: "anchor",
            "anchor's feature `testing` is on in a release build: name it only under \
             `[dev-dependencies]`"
        );
        self.read_environment()?;
        if self.is_one_time {
            self.frontend = Some(Box::new(Link::of::<T>()));
            // No use is recorded.
            self.idle = self.absolute;
        }
        let keys = self.keys.take().ok_or_else(|| {
            ConfigError::new(
                "no signing keys: add `.keys(KeyRing::from_env(\"ANCHOR_KEYS\")?)` before \
                 `.build()`",
            )
        })?;
        let touch_interval = self.check_times()?;
        #[cfg(feature = "cache")]
        self.cache.check(self.idle, touch_interval)?;
        self.check_fingerprint()?;
        let mut frontends = vec![self.frontend.unwrap_or_else(|| {
            Box::new(T::COOKIE.map_or_else(SessionCookie::default, SessionCookie::new))
        })];
        frontends.extend(self.more_frontends);
        let channels = Channels::new::<T>(frontends, &keys, self.absolute)?;
        let cross_origin =
            CrossOriginProtection::new(&self.trusted_origins, self.cross_origin_posts)?;
        let is_protected = channels.are_sent_by_browsers() && !self.allows_cross_origin_requests;
        let store = Bounded::new(self.store, self.store_timeout);
        #[cfg(feature = "cache")]
        let store = self.cache.in_front_of(store);
        let tasks = Tasks::new(self.shutdown_timeout);
        #[cfg(feature = "metrics")]
        crate::metrics::describe();
        Ok(Sessions {
            store,
            channels,
            verifier: self.verifier,
            on_reject: self.on_reject,
            cross_origin: is_protected.then_some(cross_origin),
            on_event: self.on_event,
            client: self.client,
            plain_http: PlainHttp::default(),
            watches: Watches::default(),
            updates: Arc::new(KeyedMutex::new()),
            #[cfg(feature = "cache")]
            listener: Listener::new(&tasks.stopping()),
            tasks,
            touches: Touches::default(),
            idle: self.idle,
            absolute: self.absolute,
            touch_interval,
            rotation_grace: self.rotation_grace,
            revocation_poll: self.revocation_poll,
            verify_interval: self.verify_interval,
        })
    }

    /// Checks that nothing is set that would need a request.
    fn check_one_time(&self) -> Result<(), ConfigError> {
        let set = if self.frontend.is_some() || !self.more_frontends.is_empty() {
            "`.frontend(..)`: the application sends the token itself, such as in a link"
        } else if self.verifier.is_some() {
            "`.verifier(..)`: check the payload that `redeem` returns"
        } else if T::schema().options.fingerprint {
            "`#[session(fingerprint)]`: whoever has the link may redeem it"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(format_args!("one-time tokens have no request; remove {set}")))
    }

    /// Applies the settings of the environment to the builder.
    fn read_environment(&mut self) -> Result<(), ConfigError> {
        let Some(environment) = self.environment.take() else { return Ok(()) };
        let settings = environment.read(T::COOKIE, self.keys.is_some(), self.frontend.is_some())?;
        self.keys = settings.keys.or(self.keys.take());
        if let Some(cookie) = settings.cookie {
            self.frontend = Some(Box::new(cookie));
        }
        self.trusted_origins.extend(settings.trusted_origins);
        Ok(())
    }

    /// Checks the lifetimes and the other durations, and returns the touch interval.
    fn check_times(&self) -> Result<Duration, ConfigError> {
        let (idle, absolute) = (self.idle, self.absolute);
        if idle.is_zero() || absolute.is_zero() {
            return Err(ConfigError::new(
                "a lifetime of zero ends every session at once: set `idle` and `absolute` to more",
            ));
        }
        if idle > absolute {
            return Err(ConfigError::new(format_args!(
                "the idle timeout ({idle:?}) exceeds the absolute timeout ({absolute:?}): set \
                 `idle` to at most `absolute`"
            )));
        }
        if self.store_timeout.is_zero() {
            return Err(ConfigError::new(
                "`store_timeout` is zero, so no call of the store could succeed: remove the line \
                 for the default of 10 seconds",
            ));
        }
        for (name, interval) in
            [("revocation_poll", self.revocation_poll), ("verify_interval", self.verify_interval)]
        {
            if interval.is_zero() {
                return Err(ConfigError::new(format_args!(
                    "`{name}` is zero: set it to a second or more"
                )));
            }
        }
        let touch_interval = self.touch_interval.unwrap_or(idle / 10);
        if touch_interval >= idle {
            return Err(ConfigError::new(format_args!(
                "the touch interval ({touch_interval:?}) is not below the idle timeout \
                 ({idle:?}), so no use would be recorded in time: set `touch_interval` to less"
            )));
        }
        Ok(touch_interval)
    }

    /// Checks that a fingerprint has a column, and that the column has something to take it of.
    fn check_fingerprint(&self) -> Result<(), ConfigError> {
        match (T::schema().options.fingerprint, &self.client.fingerprint) {
            (true, None) => Err(ConfigError::new(
                "the struct has `#[session(fingerprint)]`, but the builder does not say what to \
                 take it of: add `.fingerprint(FingerprintMismatch::Refuse, |request| ..)`",
            )),
            (false, Some(_)) => Err(ConfigError::new(
                "`.fingerprint(..)` has no column to keep its hash: add `#[session(fingerprint)]` \
                 to the struct, and write the migration",
            )),
            (true, Some(_)) | (false, None) => Ok(()),
        }
    }
}
