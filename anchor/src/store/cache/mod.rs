//! [`Cache`]: sessions that were loaded a moment ago, for at most a lease.
//!
//! An entry is served if its load was sent less than a lease ago and nothing has changed since that
//! load ([`epochs`]). It only lets requests in: one that it would refuse is decided by the store.

mod changing;
mod epochs;
pub(crate) mod message;
mod stale;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

pub(crate) use changing::{Changing, Publisher};
use epochs::{Epoch, Epochs};
pub(crate) use stale::Stale;
use stale::SubjectTag;
use tokio::time::Instant;

use super::{Loaded, Notices, RotationState};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;

/// How long a call waits until the other nodes have been told what it has changed.
const LONGEST_NOTICE: Duration = Duration::from_secs(1);

/// The fewest and the most places in which changes are noted, of eight bytes each, for sessions and
/// for subjects.
const PLACES: [usize; 2] = [64, 65_536];

/// The sessions of one manager that were loaded a moment ago.
pub(crate) struct Cache<T> {
    lease: Duration,
    entries: quick_cache::sync::Cache<SessionId, Arc<Entry<T>>>,
    epochs: Epochs,
    /// Whether anything may be served. With a channel, only while it works.
    is_open: AtomicBool,
    publisher: Option<Publisher>,
}

struct Entry<T> {
    loaded: Loaded<T>,
    subject: SubjectTag,
    began: Began,
}

/// The beginning of a load.
#[derive(Clone, Copy)]
pub(crate) struct Began {
    at: Instant,
    epoch: Epoch,
}

impl<T: SessionData> Cache<T> {
    /// `channel` tells other nodes what changes, and waits for at most `timeout`.
    pub(crate) fn new(
        lease: Duration,
        capacity: usize,
        channel: Option<Arc<dyn Notices>>,
        timeout: Duration,
    ) -> Self {
        let [fewest, most] = PLACES;
        let places = (capacity / 4).clamp(fewest, most).next_power_of_two();
        Self {
            lease,
            entries: quick_cache::sync::Cache::new(capacity),
            epochs: Epochs::new(places),
            is_open: AtomicBool::new(channel.is_none()),
            // Once the lease is over, nobody needs the notice. Whoever ends a session waits for it.
            publisher: channel.map(|channel| {
                Publisher::new(channel, timeout.min(lease).min(LONGEST_NOTICE), lease)
            }),
        }
    }

    /// Returns a session that may still be as it was when it was loaded, with the store's clock of
    /// now, or a little later.
    pub(crate) fn get(&self, id: SessionId) -> Option<Loaded<T>> {
        if !self.is_open.load(SeqCst) {
            return None;
        }
        let entry = self.entries.get(&id)?;
        let age = entry.began.at.elapsed();
        if age >= self.lease || !self.holds(&entry) {
            self.entries.remove_if(&id, |found| Arc::ptr_eq(found, &entry));
            return None;
        }
        let now = entry.loaded.now.saturating_add(age);
        Some(Loaded { now, ..entry.loaded.clone() })
    }

    fn holds(&self, entry: &Entry<T>) -> bool {
        self.epochs.holds(entry.began.epoch, entry.loaded.record.id, entry.subject)
    }

    /// Notes the beginning of a load.
    pub(crate) fn begin(&self) -> Began {
        Began { at: Instant::now(), epoch: self.epochs.now() }
    }

    /// Keeps a session that was loaded. One whose last rotation is not settled is not kept: its
    /// next request may settle it.
    pub(crate) fn keep(&self, began: Began, loaded: &Loaded<T>) {
        if loaded.secrets.rotation != RotationState::Settled || !self.is_open.load(SeqCst) {
            return self.forget(loaded.record.id);
        }
        let subject = SubjectTag::of(&*loaded.record.data);
        let entry = Entry { loaded: loaded.clone(), subject, began };
        if self.holds(&entry) {
            self.entries.insert(loaded.record.id, Arc::new(entry));
        }
    }

    /// Drops a session that the store is asked for instead.
    pub(crate) fn forget(&self, id: SessionId) {
        self.entries.remove(&id);
    }

    /// No longer serves what was loaded before this call and may have changed.
    pub(crate) fn changed(&self, stale: &[Stale]) {
        for stale in stale {
            self.epochs.changed(stale);
            match stale {
                Stale::Session(id) | Stale::Use(id) => self.forget(*id),
                // Those of one subject are overwritten or evicted: to find them, all would have to
                // be looked at.
                Stale::Subject(_) => {}
                Stale::Everyone => self.entries.clear(),
            }
        }
    }

    /// Begins to serve what is loaded from now on.
    pub(crate) fn open(&self) {
        self.changed(&[Stale::Everyone]);
        self.is_open.store(true, SeqCst);
    }

    /// Serves nothing until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.is_open.store(false, SeqCst);
        self.entries.clear();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(SeqCst)
    }

    /// Returns what tells other nodes about changes, if the store has a channel.
    pub(crate) fn publisher(&self) -> Option<&Publisher> {
        self.publisher.as_ref()
    }

    /// Announces a call of the store that may change this.
    pub(crate) fn changing(self: &Arc<Self>, stale: Vec<Stale>) -> Changing<T> {
        Changing::new(Arc::clone(self), stale)
    }
}
