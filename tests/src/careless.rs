//! Stores whose tables have every extra, and that are broken on purpose: as
//! [`naive`](crate::naive), for what only such tables can do.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use anchor::conformance::Extended;
use anchor::store::{
    Change, Consumed, Created, EndReason, EndStatus, EndedRecord, Ending, Listed, Load, Loaded,
    NewSession, Page, Reauthenticated, Record, Rotated, Rotation, Secrets, SessionStore,
    StoreFuture, Touch, Touched, Updated,
};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MemoryStore, SessionData, SessionId, Timestamp};
use uuid::Uuid;

/// What is wrong with a [`CarelessStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is its own sentence")]
pub enum Carelessness {
    Nothing,
    CutOffEndsRowsAlone,
    CutOffEndsEveryone,
    CutOffLies,
    CutOffIsForGood,
    CutOffIsForgottenBySweeps,
    DeadLoginsAreListed,
    DeadLoginsAreRevived,
    DeadLoginsStay,
    ReauthenticationEscapes,
    TouchEscapes,
    ConsumptionsAreLogouts,
    OriginIsForgotten,
    OriginIsNeverUpdated,
    OriginIsOverwrittenByNone,
    FingerprintIsForgotten,
    HistoryIsEmpty,
    HistoryHasNoReasons,
    HistoryIsOldestFirst,
    HistoryShowsLiveSessions,
    HistoryShowsOthers,
    HistoryWaitsForTheSweep,
    HistoryCallsExpiredRevoked,
    HistoryIgnoresTheLimit,
    HistoryIgnoresTheCursor,
    HistoryEndsEarly,
    KeptSessionsAreListed,
    KeptSessionsAreLive,
    KeptSessionsAreOverwritten,
    KeptSessionsCountAgain,
    KeptSessionsStay,
    KeptSessionsGoWithTheSweep,
}

use Carelessness as Fault;

/// A [`MemoryStore`] with a fault.
pub struct CarelessStore<const KEEP: u64> {
    fault: Fault,
    rows: MemoryStore<Extended<KEEP>>,
    created: Mutex<HashMap<SessionId, NewSession<Extended<KEEP>>>>,
    cut_off: Mutex<HashSet<Uuid>>,
    swept: Mutex<bool>,
    /// Sessions whose late write brings them back.
    escaped: Mutex<HashSet<SessionId>>,
}

impl<const KEEP: u64> CarelessStore<KEEP> {
    /// An empty store with this fault.
    pub fn new(fault: Carelessness) -> Self {
        Self {
            fault,
            rows: MemoryStore::new(),
            created: Mutex::default(),
            cut_off: Mutex::default(),
            swept: Mutex::default(),
            escaped: Mutex::default(),
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn created(&self) -> MutexGuard<'_, HashMap<SessionId, NewSession<Extended<KEEP>>>> {
        self.created.lock().unwrap()
    }

    fn ids(&self) -> Vec<SessionId> {
        self.created().keys().copied().collect()
    }

    /// A session as it was created, whatever became of it.
    fn as_created(&self, id: SessionId) -> Option<Loaded<Extended<KEEP>>> {
        let new = self.created().get(&id)?.clone();
        let now = Timestamp::now();
        let record = Record {
            id,
            created_at: now,
            authenticated_at: now,
            last_seen_at: now,
            expires_at: now.saturating_add(new.idle),
            deadline: now.saturating_add(new.absolute),
            version: 1,
            remembered: new.remembered,
            client: new.client,
            data: new.data,
        };
        Some(Loaded {
            record: record.into(),
            secrets: Secrets::new(new.lasting, new.secret),
            fingerprint: new.fingerprint,
            now,
        })
    }

    fn is_cut_off(&self, id: SessionId) -> bool {
        let created = self.created();
        let subject = created.get(&id).map(|new| new.data.user_id);
        subject.is_some_and(|subject| self.cut_off.lock().unwrap().contains(&subject))
    }
}

impl<const KEEP: u64> SessionStore<Extended<KEEP>> for CarelessStore<KEEP> {
    fn create(
        &self,
        mut new: NewSession<Extended<KEEP>>,
    ) -> StoreFuture<'_, Created<Extended<KEEP>>> {
        Box::pin(async move {
            let before = self.created().insert(new.id, new.clone());
            match self.fault {
                Fault::CutOffEndsRowsAlone => new.began = None,
                Fault::CutOffIsForGood if self.is_cut_off(new.id) => {
                    self.rows.create(new.clone()).await?;
                    self.rows.revoke(new.id, None, EndReason::CutOff).await?;
                    let loaded = self.as_created(new.id).expect("it was created");
                    let record = Record::clone(&loaded.record);
                    return Ok(Created::Session { record, ended: Vec::new() });
                }
                Fault::CutOffIsForgottenBySweeps if *self.swept.lock().unwrap() => new.began = None,
                Fault::OriginIsForgotten => new.client = None,
                Fault::FingerprintIsForgotten => new.fingerprint = None,
                Fault::KeptSessionsAreOverwritten if before.is_some() => {
                    let loaded = self.as_created(new.id).expect("it was created");
                    let record = Record::clone(&loaded.record);
                    return Ok(Created::Session { record, ended: Vec::new() });
                }
                _ => {}
            }
            self.rows.create(new).await
        })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<Extended<KEEP>>> {
        Box::pin(async move {
            Ok(match self.rows.load(id).await? {
                Load::Ended if self.is(Fault::KeptSessionsAreLive) => match self.as_created(id) {
                    Some(loaded) => Load::Live(loaded),
                    None => Load::Absent,
                },
                Load::Ended if self.is(Fault::KeptSessionsGoWithTheSweep) => Load::Absent,
                Load::Absent if self.is(Fault::KeptSessionsStay) => Load::Ended,
                Load::Ended | Load::Absent if self.escaped.lock().unwrap().contains(&id) => {
                    self.as_created(id).map_or(Load::Absent, Load::Live)
                }
                other => other,
            })
        })
    }

    fn update(&self, change: Change<Extended<KEEP>>) -> StoreFuture<'_, Updated> {
        self.rows.update(change)
    }

    fn touch(&self, mut touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            match self.fault {
                Fault::OriginIsNeverUpdated => touch.client = None,
                Fault::OriginIsOverwrittenByNone if touch.client.is_none() => {
                    touch.client = Some(anchor::store::ClientInfo::new(None, None));
                }
                _ => {}
            }
            if self.is(Fault::TouchEscapes)
                && let Load::Live(_) = self.rows.load(touch.id).await?
            {
                self.escaped.lock().unwrap().insert(touch.id);
            }
            let idle = touch.idle;
            let touched = self.rows.touch(touch).await?;
            if touched == Touched::Gone && self.is(Fault::DeadLoginsAreRevived) {
                return Ok(Touched::Written { expires_at: Timestamp::now().saturating_add(idle) });
            }
            Ok(touched)
        })
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(async move {
            let id = rotation.id;
            if self.is(Fault::ReauthenticationEscapes)
                && let Load::Live(_) = self.rows.load(id).await?
            {
                // Its write arrives after the cut-off.
                self.escaped.lock().unwrap().insert(id);
            }
            self.rows.reauthenticate(rotation).await
        })
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        self.rows.rotate(rotation)
    }

    fn consume(
        &self,
        id: SessionId,
        secret: SecretHash,
    ) -> StoreFuture<'_, Consumed<Extended<KEEP>>> {
        Box::pin(async move {
            if self.is(Fault::ConsumptionsAreLogouts)
                && let Load::Live(loaded) = self.rows.load(id).await?
            {
                self.rows.revoke(id, None, EndReason::Logout).await?;
                return Ok(Consumed::Ended(Arc::clone(&loaded.record.data)));
            }
            self.rows.consume(id, secret).await
        })
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(async move {
            let ended = self.rows.revoke(id, proof, reason).await?;
            let known = self.created().contains_key(&id);
            let counts_again = self.is(Fault::KeptSessionsCountAgain) && known;
            Ok(if counts_again { Ending::Ended } else { ended })
        })
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a Uuid,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        self.rows.revoke_of(subject, id, reason)
    }

    fn revoke_subject<'a>(&'a self, subject: &'a Uuid, reason: EndReason) -> StoreFuture<'a, u64> {
        self.rows.revoke_subject(subject, reason)
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a Uuid,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        self.rows.revoke_others(subject, keep, reason)
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        self.rows.revoke_everyone(reason)
    }

    fn cut_off<'a>(
        &'a self,
        subject: &'a <Extended<KEEP> as SessionData>::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            self.cut_off.lock().unwrap().insert(*subject);
            match self.fault {
                Fault::CutOffEndsRowsAlone => self.rows.revoke_subject(subject, reason).await,
                Fault::CutOffEndsEveryone => {
                    self.rows.cut_off(subject, reason).await?;
                    self.rows.revoke_everyone(reason).await
                }
                Fault::CutOffLies => {
                    self.rows.cut_off(subject, reason).await?;
                    Ok(2)
                }
                _ => self.rows.cut_off(subject, reason).await,
            }
        })
    }

    fn list<'a>(
        &'a self,
        subject: &'a Uuid,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<Extended<KEEP>>>> {
        Box::pin(async move {
            let mut listed = self.rows.list(subject, page).await?;
            let faulty = match self.fault {
                Fault::DeadLoginsAreListed => self.cut_off.lock().unwrap().contains(subject),
                Fault::KeptSessionsAreListed => true,
                _ => false,
            };
            if faulty {
                let all = self.ids().into_iter().filter_map(|id| self.as_created(id));
                listed.entries = all
                    .map(|loaded| Record::clone(&loaded.record))
                    .filter(|record| record.data.user_id == *subject)
                    .collect();
            }
            Ok(listed)
        })
    }

    fn history<'a>(
        &'a self,
        subject: &'a Uuid,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<Extended<KEEP>>>> {
        Box::pin(async move {
            let page = match self.fault {
                Fault::HistoryIgnoresTheLimit => page.limited(Page::MOST),
                Fault::HistoryIgnoresTheCursor => Page::first(page.limit()),
                _ => page,
            };
            let Listed { entries: mut ended, mut next, undecodable } =
                self.rows.history(subject, page).await?;
            match self.fault {
                Fault::HistoryEndsEarly => next = None,
                Fault::HistoryIsEmpty => ended.clear(),
                Fault::HistoryHasNoReasons => ended.iter_mut().for_each(|one| one.reason = None),
                Fault::HistoryIsOldestFirst => ended.reverse(),
                Fault::HistoryCallsExpiredRevoked => {
                    ended.iter_mut().for_each(|one| one.status = EndStatus::Revoked);
                }
                Fault::HistoryWaitsForTheSweep if !*self.swept.lock().unwrap() => {
                    ended.retain(|one| {
                        one.status == EndStatus::Revoked && one.reason != Some(EndReason::CutOff)
                    });
                }
                Fault::HistoryShowsLiveSessions => {
                    let live = self.rows.list(subject, Page::default()).await?;
                    ended.extend(live.into_iter().map(|record| EndedRecord {
                        ended_at: record.created_at,
                        status: EndStatus::Revoked,
                        reason: None,
                        record,
                    }));
                }
                Fault::HistoryShowsOthers => {
                    let others: HashSet<Uuid> =
                        self.created().values().map(|new| new.data.user_id).collect();
                    ended.clear();
                    for other in others {
                        ended.extend(self.rows.history(&other, Page::default()).await?);
                    }
                }
                _ => {}
            }
            Ok(Listed { entries: ended, next, undecodable })
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            *self.swept.lock().unwrap() = true;
            if self.is(Fault::DeadLoginsStay) {
                return Ok(0);
            }
            self.rows.sweep(batch).await
        })
    }
}
