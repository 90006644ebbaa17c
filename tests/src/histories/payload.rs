//! The payloads of the histories: tables without extras, with cut-offs, and with ended rows that
//! are kept.

use anchor::conformance::{Extended, Payload};
use anchor::store::{EndReason, SessionStore, StoreFuture};
use anchor::{SessionData, Timestamp};
use uuid::Uuid;

/// A payload that has a number.
pub trait Numbered: SessionData<Subject = Uuid> {
    /// Whether its subjects can be cut off.
    const CUT_OFF: bool;

    /// The payload of this subject with this number.
    fn numbered(subject: Uuid, number: i64) -> Self;

    /// The number; -1 if a part of the payload is of another one.
    fn number(&self) -> i64;

    /// Cuts a subject off, if that is possible.
    fn cut_off<'a>(
        store: &'a dyn SessionStore<Self>,
        subject: &'a Uuid,
    ) -> Option<StoreFuture<'a, u64>>;
}

impl Numbered for Payload {
    const CUT_OFF: bool = false;

    fn numbered(user_id: Uuid, number: i64) -> Self {
        Self {
            user_id,
            title: number.to_string(),
            note: None,
            active: true,
            level: 3,
            visits: number,
            ratio: 0.25,
            avatar: Vec::new(),
            tags: Default::default(),
            born_at: Timestamp::from_micros(0),
        }
    }

    fn number(&self) -> i64 {
        if self.title == self.visits.to_string() { self.visits } else { -1 }
    }

    fn cut_off<'a>(_: &'a dyn SessionStore<Self>, _: &'a Uuid) -> Option<StoreFuture<'a, u64>> {
        None
    }
}

impl<const KEEP: u64> Numbered for Extended<KEEP> {
    const CUT_OFF: bool = true;

    fn numbered(user_id: Uuid, number: i64) -> Self {
        Self { user_id, visits: number }
    }

    fn number(&self) -> i64 {
        self.visits
    }

    fn cut_off<'a>(
        store: &'a dyn SessionStore<Self>,
        subject: &'a Uuid,
    ) -> Option<StoreFuture<'a, u64>> {
        Some(store.cut_off(subject, EndReason::CutOff))
    }
}
