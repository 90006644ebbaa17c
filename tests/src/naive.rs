//! Stores that are broken on purpose, so that the conformance suite can be shown to catch them.
//!
//! Each [`Fault`] is a mistake that a store's author could make: a check left out, a check apart
//! from its write, a verb that lies.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anchor::conformance::Payload;
use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{
    Change, ClientInfo, Consumed, Created, Cursor, EndReason, EndedRecord, Ending, Listed, Load,
    Loaded, NewSession, OldSecret, Page, Reauthenticated, Record, Rotated, Rotation, Secrets,
    SessionStore, StoreFuture, Touch, Touched, Updated,
};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MemoryStore, SessionId, StoreError, StoreErrorKind, Timestamp};
use uuid::Uuid;

/// What is wrong with a [`NaiveStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is its own sentence")]
pub enum Fault {
    Nothing,
    CreateOverwrites,
    CreateOverwritesExpired,
    CreateForgetsWhatItReplaces,
    CreateIgnoresTheProof,
    CreateEndsBeforeItInserts,
    CreateChecksBeforeItWrites,
    CreateAllowsOneSessionOfASubject,
    CreateIgnoresTheDeadline,
    CreateCountsInSeconds,
    CreateTellsOtherTimes,
    CreateNeedsWhatItReplaces,
    LoadReturnsExpired,
    LoadExtends,
    LoadIsCached,
    TryLoadIsCached,
    LoadFindsAnything,
    UpdateRevives,
    UpdateOverwritesAStaleVersion,
    UpdateChecksBeforeItWrites,
    UpdateTakesANewerVersion,
    UpdateLies,
    UpdateIsNoUse,
    UpdateWithoutADifferenceIsNoUse,
    UpdatePassesTheDeadline,
    UpdateIgnoresTheSecret,
    UpdateNeedsTheCurrentSecret,
    UpdateForgetsTheOldSubject,
    TouchRevives,
    TouchPassesTheDeadline,
    TouchLies,
    TouchRaisesTheVersion,
    TouchSettlesWhateverIsPresented,
    TouchNeverSettles,
    RotateRevives,
    RotateIgnoresTheSecret,
    RotateChecksBeforeItWrites,
    RotateForgetsThePreviousSecret,
    RotateKeepsTheFirstSecret,
    RotateGivesNoGrace,
    RotateIsNoUse,
    RotatePassesTheDeadline,
    RotateReplacesTheLastingHash,
    RotateRemembersWhatIsRefused,
    RotateRepeatsNothing,
    RotateRepeatsWhatIsNotLost,
    ConsumeEndsNothing,
    ConsumeIgnoresTheSecret,
    ConsumeNeedsTheCurrentSecret,
    ConsumeChecksBeforeItEnds,
    ConsumeIgnoresWhoEndedIt,
    ConsumeReturnsWhatWasLoadedBefore,
    ConsumeEndsTheSubject,
    RevokeLies,
    RevokeIsSlow,
    RevokeIgnoresTheProof,
    RevokeNeedsTheFirstSecret,
    RevokeHidesThatItWasNotProven,
    RevokeLeavesWhatLooksExpired,
    RevokeCountsTwice,
    RevokeAcceptsTheProofOfAnother,
    RevokeMixesUpItsCallers,
    RevokeFailsOnAnAbsentRow,
    RevokeEndsTheSubject,
    RevokeOfIgnoresTheSubject,
    RevokeOfEndsTheSubject,
    RevokeOfLies,
    RevokeOfLeavesWhatLooksExpired,
    RevokeSubjectEndsEveryone,
    RevokeSubjectSparesOne,
    RevokeSubjectCountsExpired,
    RevokeOthersKeepsNone,
    RevokeOthersEndsEveryone,
    RevokeOthersNeedsTheirOwn,
    ListShowsOthers,
    ListShowsEnded,
    ListIsOldestFirst,
    ListIsStale,
    ListIgnoresTheLimit,
    ListIgnoresTheCursor,
    ListEndsEarly,
    ListNeverEnds,
    SweepRemovesLiveRows,
    SweepForgetsTouches,
    SweepIgnoresTheBatch,
    SweepDoesNothing,
    SweepCountsItsBatch,
    ClockStandsStill,
    ClockOfAnotherNode,
    BooleansAreTrue,
    TextIsTrimmed,
    TextIsNormalised,
    TextIsCutAt255,
    EmptyTextIsNull,
    IntegersAreFloats,
    InstantsAreMilliseconds,
    NulEndsTheText,
    CreateRemembersEveryone,
    CreateForgetsWhenTheLoginBegan,
    CreateKeepsWhatTheTableDoesNot,
    LimitIsIgnored,
    LimitChecksBeforeItWrites,
    LimitEndsTheNewest,
    LimitEndsAll,
    LimitNeverRefuses,
    LimitCountsTheReplaced,
    LimitCountsEnded,
    LimitEndsInSilence,
    LimitIsTheWholeTables,
    RefusedLoginEndsWhatItReplaces,
    ReauthenticateLies,
    ReauthenticateRevives,
    ReauthenticateIsNoUse,
    ReauthenticatePassesTheDeadline,
    ReauthenticateIsTwoSteps,
    ReauthenticateKeepsTheSecret,
    ReauthenticateIgnoresTheSecret,
    ReauthenticateChecksBeforeItWrites,
    ReauthenticateNeedsTheCurrentSecret,
    RevokeEveryoneSparesOne,
    RevokeEveryoneCountsEnded,
}

/// A [`MemoryStore`] with a fault.
pub struct NaiveStore {
    fault: Fault,
    rows: MemoryStore<Payload>,
    /// What was created, so that a faulty verb can bring it back.
    created: Mutex<HashMap<SessionId, NewSession<Payload>>>,
    /// What was loaded or listed first, so that a faulty verb can repeat it.
    seen: Mutex<HashMap<SessionId, Loaded<Payload>>>,
    /// Sessions whose re-authentication was refused, and half done.
    half_done: Mutex<HashSet<SessionId>>,
    /// The proofs that were presented.
    proofs: Mutex<Vec<LastingHash>>,
    /// The outcome of the last revoke.
    last_ending: Mutex<Option<Ending>>,
}

impl NaiveStore {
    /// An empty store with this fault.
    pub fn new(fault: Fault) -> Self {
        let rows = MemoryStore::new();
        let (created, seen, half_done, proofs, last_ending) = Default::default();
        Self { fault, rows, created, seen, half_done, proofs, last_ending }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn created(&self) -> MutexGuard<'_, HashMap<SessionId, NewSession<Payload>>> {
        self.created.lock().unwrap()
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<SessionId, Loaded<Payload>>> {
        self.seen.lock().unwrap()
    }

    fn ids(&self) -> Vec<SessionId> {
        self.created().keys().copied().collect()
    }

    async fn loaded(&self, id: SessionId) -> Result<Option<Loaded<Payload>>, StoreError> {
        Ok(match self.rows.load(id).await? {
            Load::Live(loaded) => Some(loaded),
            _ => None,
        })
    }

    /// How long a session may stay unused if nothing extends that.
    async fn left(&self, id: SessionId) -> Result<Duration, StoreError> {
        let loaded = self.loaded(id).await?;
        Ok(loaded.map_or(Duration::ZERO, |l| l.record.expires_at.saturating_since(l.now)))
    }

    /// Writes the row anew, whatever it was.
    async fn put(
        &self,
        id: SessionId,
        edit: impl FnOnce(&mut NewSession<Payload>),
    ) -> Result<Option<Record<Payload>>, StoreError> {
        let any = self.created().values().next().cloned();
        let Some(mut new) = self.created().get(&id).cloned().or(any) else {
            return Ok(None);
        };
        new.id = id;
        new.replaces = None;
        edit(&mut new);
        self.rows.revoke(id, None, EndReason::Revoked).await?;
        self.rows.sweep(u32::MAX).await?;
        Ok(self.rows.create(new).await?.into_record())
    }

    /// A login that looks first whether there is room, and then makes some, and then writes.
    async fn create_in_steps(
        &self,
        mut new: NewSession<Payload>,
    ) -> Result<Created<Payload>, StoreError> {
        let Some(limit) = new.limit.take() else { return self.rows.create(new).await };
        let subject = new.data.user_id;
        let mut live = self.rows.list(&subject, Page::default()).await?.entries;
        if self.is(Fault::LimitIsTheWholeTables) {
            for id in self.ids() {
                let loaded = self.loaded(id).await?.map(|loaded| (*loaded.record).clone());
                live.extend(loaded.filter(|record| record.data.user_id != subject));
            }
        }
        if !self.is(Fault::LimitCountsTheReplaced) {
            live.retain(|record| new.replaces.is_none_or(|replaced| replaced.id != record.id));
        }
        let mut count = live.len();
        if self.is(Fault::LimitCountsEnded) {
            let created = self.created();
            count = created.values().filter(|one| one.data.user_id == subject).count() - 1;
        }
        if self.is(Fault::LimitChecksBeforeItWrites) {
            lose_the_race().await;
        }
        let max = limit.max.get() as usize;
        let mut ended = Vec::new();
        if count >= max {
            if limit.overflow == LimitExceeded::Refuse {
                return Ok(Created::SubjectFull);
            }
            // Listed newest first.
            if !self.is(Fault::LimitEndsTheNewest) {
                live.reverse();
            }
            let many = if self.is(Fault::LimitEndsAll) { count } else { count + 1 - max };
            for record in live.iter().take(many) {
                self.rows.revoke(record.id, None, EndReason::LimitExceeded).await?;
                ended.push(record.id);
            }
        }
        let record = self.rows.create(new).await?.into_record();
        Ok(Created::Session { record: record.expect("nothing limits it"), ended })
    }

    /// What a lossy table makes of a payload.
    fn as_stored(&self, data: &Arc<Payload>) -> Arc<Payload> {
        let mut stored = Payload::clone(data);
        match self.fault {
            Fault::BooleansAreTrue => stored.active = true,
            Fault::TextIsTrimmed => stored.title = stored.title.trim_end().into(),
            Fault::TextIsNormalised => stored.title = stored.title.replace("e\u{301}", "\u{e9}"),
            Fault::TextIsCutAt255 => stored.title = stored.title.chars().take(255).collect(),
            Fault::EmptyTextIsNull => stored.note = stored.note.filter(|note| !note.is_empty()),
            Fault::IntegersAreFloats => stored.visits = stored.visits as f64 as i64,
            Fault::InstantsAreMilliseconds => {
                let micros = stored.born_at.as_micros();
                stored.born_at = Timestamp::from_micros(micros - micros.rem_euclid(1_000));
            }
            Fault::NulEndsTheText => {
                stored.title = stored.title.split('\0').next().unwrap_or_default().into();
            }
            _ => return Arc::clone(data),
        }
        Arc::new(stored)
    }

    /// What the caller of `create` gets.
    fn created_as_told(
        &self,
        mut created: Created<Payload>,
        client: Option<ClientInfo>,
    ) -> Created<Payload> {
        if let Created::Session { record, ended } = &mut created {
            match self.fault {
                Fault::CreateTellsOtherTimes => {
                    let micros = record.created_at.as_micros() + 1;
                    record.last_seen_at = Timestamp::from_micros(micros);
                }
                Fault::LimitEndsInSilence => ended.clear(),
                Fault::CreateKeepsWhatTheTableDoesNot => record.client = client,
                _ => {}
            }
        }
        created
    }

    /// A load's answer as a store with a faulty clock or memory would give it.
    fn as_told(&self, mut loaded: Loaded<Payload>) -> Loaded<Payload> {
        match self.fault {
            Fault::ClockStandsStill => loaded.now = loaded.record.created_at,
            Fault::ClockOfAnotherNode => {
                loaded.now = Timestamp::from_micros(loaded.now.as_micros() - 5_000_000);
            }
            Fault::RotateForgetsThePreviousSecret => loaded.secrets.previous = None,
            Fault::RotateGivesNoGrace => loaded.secrets.previous_until = Some(loaded.now),
            Fault::RotateKeepsTheFirstSecret => {
                let first = self.created().get(&loaded.record.id).map(|new| new.secret);
                loaded.secrets.previous = loaded.secrets.previous.and(first);
            }
            Fault::RotateRemembersWhatIsRefused if loaded.secrets.previous_until.is_some() => {
                let first = self.created().get(&loaded.record.id).map(|new| new.secret);
                loaded.secrets.previous = loaded.secrets.previous.or(first);
            }
            Fault::RotateReplacesTheLastingHash if loaded.secrets.previous.is_some() => {
                loaded.secrets.lasting = LastingHash::from_bytes([7; 32]);
            }
            Fault::ReauthenticateKeepsTheSecret => {
                if let Some(new) = self.created().get(&loaded.record.id) {
                    loaded.secrets = Secrets::new(new.lasting, new.secret);
                }
            }
            Fault::ReauthenticateIsTwoSteps
                if self.half_done.lock().unwrap().contains(&loaded.record.id) =>
            {
                Arc::make_mut(&mut loaded.record).authenticated_at = loaded.now;
            }
            _ => {}
        }
        loaded
    }
}

/// Lets every task that races read before any of them writes.
async fn lose_the_race() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

impl SessionStore<Payload> for NaiveStore {
    fn create(&self, mut new: NewSession<Payload>) -> StoreFuture<'_, Created<Payload>> {
        Box::pin(async move {
            new.data = self.as_stored(&new.data);
            let client = new.client.clone();
            self.created().entry(new.id).or_insert_with(|| new.clone());
            match self.fault {
                Fault::CreateOverwrites => {
                    self.rows.revoke(new.id, None, EndReason::Revoked).await?;
                }
                Fault::CreateOverwritesExpired => {
                    self.rows.sweep(u32::MAX).await?;
                }
                Fault::CreateForgetsWhatItReplaces => new.replaces = None,
                Fault::CreateEndsBeforeItInserts => {
                    if let Some(old) = new.replaces.take() {
                        self.rows.revoke(old.id, None, EndReason::Replaced).await?;
                    }
                }
                Fault::CreateIgnoresTheProof => {
                    if let Some(old) = &mut new.replaces
                        && let Some(loaded) = self.loaded(old.id).await?
                    {
                        old.proof = loaded.secrets.lasting;
                    }
                }
                Fault::CreateChecksBeforeItWrites if self.loaded(new.id).await?.is_none() => {
                    lose_the_race().await;
                    self.rows.revoke(new.id, None, EndReason::Revoked).await?;
                }
                Fault::CreateAllowsOneSessionOfASubject => {
                    self.rows.revoke_subject(&new.data.user_id, EndReason::Replaced).await?;
                }
                Fault::CreateNeedsWhatItReplaces => {
                    if let Some(old) = new.replaces
                        && self.loaded(old.id).await?.is_none()
                    {
                        return Err(StoreError::new(StoreErrorKind::Constraint, "no such row"));
                    }
                }
                Fault::CreateIgnoresTheDeadline => new.absolute = new.absolute.max(new.idle),
                Fault::CreateRemembersEveryone => new.remembered = true,
                Fault::CreateForgetsWhenTheLoginBegan => new.began = None,
                Fault::LimitIsIgnored => new.limit = None,
                Fault::LimitNeverRefuses => {
                    new.limit = new
                        .limit
                        .map(|limit| SubjectLimit { overflow: LimitExceeded::EndOldest, ..limit });
                }
                Fault::LimitChecksBeforeItWrites
                | Fault::LimitEndsTheNewest
                | Fault::LimitEndsAll
                | Fault::LimitCountsTheReplaced
                | Fault::LimitCountsEnded
                | Fault::LimitIsTheWholeTables => return self.create_in_steps(new).await,
                Fault::RefusedLoginEndsWhatItReplaces => {
                    if let Some(replaced) = new.replaces.take() {
                        self.rows.revoke(replaced.id, None, EndReason::Replaced).await?;
                    }
                }
                Fault::CreateCountsInSeconds => new.idle = Duration::from_secs(new.idle.as_secs()),
                _ => {}
            }
            let created = self.rows.create(new).await?;
            Ok(self.created_as_told(created, client))
        })
    }

    fn try_load(&self, id: SessionId) -> Option<Result<Load<Payload>, StoreError>> {
        self.is(Fault::TryLoadIsCached)
            .then(|| Some(Ok(Load::Live(self.seen().get(&id)?.clone()))))
            .flatten()
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<Payload>> {
        Box::pin(async move {
            let load = self.rows.load(id).await?;
            Ok(match load {
                Load::Live(loaded) => {
                    let first = self.seen().entry(id).or_insert_with(|| loaded.clone()).clone();
                    if self.is(Fault::LoadIsCached) {
                        return Ok(Load::Live(first));
                    }
                    if self.is(Fault::LoadExtends) {
                        self.rows.touch(Touch::new(id, Duration::from_secs(3600))).await?;
                    }
                    Load::Live(self.as_told(loaded))
                }
                Load::Ended if self.is(Fault::LoadReturnsExpired) => {
                    let new = self.created()[&id].clone();
                    let record = Arc::new(revived(&new));
                    let now = record.created_at;
                    let secrets = Secrets::new(new.lasting, new.secret);
                    Load::Live(Loaded { record, secrets, fingerprint: None, now })
                }
                Load::Absent if self.is(Fault::LoadFindsAnything) => {
                    self.seen().values().next().cloned().map_or(Load::Ended, Load::Live)
                }
                other => other,
            })
        })
    }

    fn update(&self, mut change: Change<Payload>) -> StoreFuture<'_, Updated> {
        Box::pin(async move {
            change.to = self.as_stored(&change.to);
            match self.fault {
                Fault::UpdateLies => {
                    return Ok(Updated::Written { version: change.version + 1 });
                }
                Fault::UpdateOverwritesAStaleVersion => {
                    if let Some(loaded) = self.loaded(change.id).await? {
                        change.version = loaded.record.version;
                    }
                }
                Fault::UpdateTakesANewerVersion => {
                    if let Some(loaded) = self.loaded(change.id).await?
                        && change.version > loaded.record.version
                    {
                        change.version = loaded.record.version;
                    }
                }
                Fault::UpdateChecksBeforeItWrites => {
                    let Some(loaded) = self.loaded(change.id).await? else {
                        return Ok(Updated::Gone);
                    };
                    if loaded.record.version != change.version {
                        return Ok(Updated::Conflict);
                    }
                    lose_the_race().await;
                    if let Some(now) = self.loaded(change.id).await? {
                        let version = change.version + 1;
                        change.version = now.record.version;
                        if let Updated::Written { .. } = self.rows.update(change).await? {
                            return Ok(Updated::Written { version });
                        }
                    }
                    return Ok(Updated::Conflict);
                }
                Fault::UpdateIgnoresTheSecret => {
                    if let Some(loaded) = self.loaded(change.id).await? {
                        change.secret = loaded.secrets.current;
                    }
                }
                Fault::UpdateNeedsTheCurrentSecret => {
                    if let Some(loaded) = self.loaded(change.id).await?
                        && change.secret != loaded.secrets.current
                    {
                        return Ok(Updated::Conflict);
                    }
                }
                Fault::UpdateIsNoUse => change.idle = self.left(change.id).await?,
                Fault::UpdateWithoutADifferenceIsNoUse if change.from == change.to => {
                    change.idle = self.left(change.id).await?;
                }
                Fault::UpdatePassesTheDeadline => {
                    let idle = change.idle;
                    self.put(change.id, |new| (new.idle, new.absolute) = (idle, idle)).await?;
                }
                _ => {}
            }
            let (id, to) = (change.id, Arc::clone(&change.to));
            let updated = self.rows.update(change).await?;
            if updated == Updated::Gone && self.is(Fault::UpdateRevives) {
                self.put(id, |new| new.data = to).await?;
            }
            Ok(updated)
        })
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            let Touch { id, idle, mut presented, .. } = touch;
            match self.fault {
                Fault::TouchLies => {
                    let expires_at = Timestamp::now().saturating_add(idle);
                    return Ok(Touched::Written { expires_at });
                }
                Fault::TouchPassesTheDeadline => {
                    let record =
                        self.put(id, |new| (new.idle, new.absolute) = (idle, idle)).await?;
                    return Ok(record.map_or(Touched::Gone, |record| Touched::Written {
                        expires_at: record.expires_at,
                    }));
                }
                Fault::TouchRaisesTheVersion => {
                    if let Some(Loaded { record, secrets, .. }) = self.loaded(id).await? {
                        let (from, to) = (Arc::clone(&record.data), Arc::clone(&record.data));
                        let secret = secrets.current;
                        let version = record.version;
                        self.rows.update(Change { id, secret, version, from, to, idle }).await?;
                    }
                }
                Fault::TouchSettlesWhateverIsPresented => {
                    presented = self.loaded(id).await?.map(|loaded| loaded.secrets.current);
                }
                Fault::TouchNeverSettles => presented = None,
                _ => {}
            }
            let touch = Touch { presented, ..Touch::new(id, idle) };
            let touched = self.rows.touch(touch).await?;
            if touched == Touched::Gone && self.is(Fault::TouchRevives) {
                self.created().entry(id).or_insert_with(|| any_session(id));
                self.put(id, |_| {}).await?;
            }
            Ok(touched)
        })
    }

    fn rotate(&self, mut rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(async move {
            let (id, to, idle) = (rotation.id, rotation.to, rotation.idle);
            match self.fault {
                Fault::RotateIsNoUse => rotation.idle = self.left(id).await?,
                Fault::RotatePassesTheDeadline => {
                    self.put(id, |new| (new.idle, new.absolute) = (idle, idle)).await?;
                }
                _ => {}
            }
            if let Some(Loaded { secrets, now, .. }) = self.loaded(id).await? {
                match self.fault {
                    Fault::RotateIgnoresTheSecret => rotation.from = secrets.current,
                    Fault::RotateChecksBeforeItWrites
                        if secrets.may_rotate(rotation.from, now, false) =>
                    {
                        lose_the_race().await;
                        if let Some(loaded) = self.loaded(id).await? {
                            rotation.from = loaded.secrets.current;
                        }
                    }
                    Fault::RotateRepeatsNothing if rotation.from != secrets.current => {
                        return Ok(Rotated::Conflict);
                    }
                    Fault::RotateRepeatsWhatIsNotLost => {
                        let first = self.created().get(&id).map(|new| new.secret);
                        if first == Some(rotation.from) {
                            rotation.from = secrets.current;
                        }
                    }
                    _ => {}
                }
            }
            let rotated = self.rows.rotate(rotation).await?;
            if rotated == Rotated::Gone && self.is(Fault::RotateRevives) {
                self.put(id, |new| new.secret = to).await?;
            }
            Ok(rotated)
        })
    }

    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<Payload>> {
        Box::pin(async move {
            let Some(Loaded { record, secrets, now, .. }) = self.loaded(id).await? else {
                return self.rows.consume(id, secret).await;
            };
            let (current, before) = (secrets.current, Arc::clone(&record.data));
            match self.fault {
                Fault::ConsumeEndsNothing => return Ok(Consumed::Ended(before)),
                Fault::ConsumeIgnoresTheSecret => return self.rows.consume(id, current).await,
                Fault::ConsumeNeedsTheCurrentSecret if secret != current => {
                    return Ok(Consumed::Conflict);
                }
                Fault::ConsumeChecksBeforeItEnds if secrets.may_rotate(secret, now, false) => {
                    lose_the_race().await;
                    self.rows.revoke(id, None, EndReason::Consumed).await?;
                    return Ok(Consumed::Ended(before));
                }
                // One of several consumptions gets it, and yet a logout may have come first.
                Fault::ConsumeIgnoresWhoEndedIt => {
                    let (from, to) = (secret, SecretHash::from_bytes([7; 32]));
                    let (grace, idle) = (Duration::ZERO, Duration::from_secs(60));
                    let rotation = Rotation { id, from, to, grace, old: OldSecret::Refused, idle };
                    match self.rows.rotate(rotation).await? {
                        Rotated::Written => {}
                        Rotated::Conflict | Rotated::Gone => return Ok(Consumed::Gone),
                    }
                    lose_the_race().await;
                    self.rows.revoke(id, None, EndReason::Consumed).await?;
                    return Ok(Consumed::Ended(before));
                }
                Fault::ConsumeReturnsWhatWasLoadedBefore => {
                    lose_the_race().await;
                    return Ok(match self.rows.consume(id, secret).await? {
                        Consumed::Ended(_) => Consumed::Ended(before),
                        other => other,
                    });
                }
                Fault::ConsumeEndsTheSubject => {
                    let consumed = self.rows.consume(id, secret).await?;
                    self.rows.revoke_subject(&record.data.user_id, EndReason::Consumed).await?;
                    return Ok(consumed);
                }
                _ => {}
            }
            self.rows.consume(id, secret).await
        })
    }

    fn revoke(
        &self,
        id: SessionId,
        mut proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(async move {
            match self.fault {
                Fault::RevokeLies => return Ok(Ending::Ended),
                Fault::RevokeIsSlow => {
                    let rows = self.rows.clone();
                    let known = self.loaded(id).await?.is_some();
                    tokio::spawn(async move {
                        lose_the_race().await;
                        rows.revoke(id, proof, reason).await
                    });
                    return Ok(ended_if(known));
                }
                Fault::RevokeIgnoresTheProof => proof = None,
                Fault::RevokeNeedsTheFirstSecret => {
                    let rotated =
                        self.loaded(id).await?.is_some_and(|l| l.secrets.previous.is_some());
                    if proof.is_some() && rotated {
                        return Ok(Ending::Unproven);
                    }
                }
                Fault::RevokeLeavesWhatLooksExpired if self.loaded(id).await?.is_none() => {
                    return Ok(Ending::NotLive);
                }
                Fault::RevokeCountsTwice => {
                    let known = self.loaded(id).await?.is_some();
                    lose_the_race().await;
                    self.rows.revoke(id, proof, reason).await?;
                    return Ok(ended_if(known));
                }
                Fault::RevokeEndsTheSubject => {
                    if let Some(loaded) = self.loaded(id).await? {
                        let subject = loaded.record.data.user_id;
                        self.rows.revoke_subject(&subject, reason).await?;
                        return Ok(Ending::Ended);
                    }
                }
                _ => {}
            }
            let ended = self.rows.revoke(id, proof, reason).await?;
            if let (Fault::RevokeAcceptsTheProofOfAnother, Some(proof)) = (self.fault, proof) {
                self.proofs.lock().unwrap().push(proof);
                let lasting = self.loaded(id).await?.map(|loaded| loaded.secrets.lasting);
                if lasting.is_some_and(|lasting| self.proofs.lock().unwrap().contains(&lasting)) {
                    return self.rows.revoke(id, lasting, reason).await;
                }
            }
            if self.is(Fault::RevokeMixesUpItsCallers) {
                let last = self.last_ending.lock().unwrap().replace(ended);
                return Ok(last.unwrap_or(ended));
            }
            if ended == Ending::Unproven && self.is(Fault::RevokeHidesThatItWasNotProven) {
                return Ok(Ending::NotLive);
            }
            if ended == Ending::NotLive && self.is(Fault::RevokeFailsOnAnAbsentRow) {
                return Err(StoreError::new(StoreErrorKind::Constraint, "no such row"));
            }
            Ok(ended)
        })
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a Uuid,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(async move {
            match self.fault {
                Fault::RevokeOfIgnoresTheSubject => self.rows.revoke(id, None, reason).await,
                Fault::RevokeOfEndsTheSubject => {
                    let ended = self.rows.revoke_subject(subject, reason).await?;
                    Ok(ended_if(ended > 0))
                }
                Fault::RevokeOfLies => Ok(Ending::Ended),
                Fault::RevokeOfLeavesWhatLooksExpired if self.loaded(id).await?.is_none() => {
                    Ok(Ending::NotLive)
                }
                _ => self.rows.revoke_of(subject, id, reason).await,
            }
        })
    }

    fn revoke_subject<'a>(&'a self, subject: &'a Uuid, reason: EndReason) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let live = self.rows.list(subject, Page::default()).await?;
            match self.fault {
                Fault::RevokeSubjectEndsEveryone => {
                    for id in self.ids() {
                        self.rows.revoke(id, None, reason).await?;
                    }
                    return Ok(live.len() as u64);
                }
                Fault::RevokeSubjectSparesOne => {
                    let spared = live.first().map(|record| record.id);
                    return match spared {
                        Some(id) => self.rows.revoke_others(subject, id, reason).await,
                        None => Ok(0),
                    };
                }
                Fault::RevokeSubjectCountsExpired => {
                    self.rows.revoke_subject(subject, reason).await?;
                    let created = self.created();
                    return Ok(
                        created.values().filter(|new| new.data.user_id == *subject).count() as u64
                    );
                }
                _ => {}
            }
            self.rows.revoke_subject(subject, reason).await
        })
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a Uuid,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            match self.fault {
                Fault::RevokeOthersKeepsNone => self.rows.revoke_subject(subject, reason).await,
                Fault::RevokeOthersEndsEveryone => {
                    let mut ended = 0;
                    for id in self.ids().into_iter().filter(|id| *id != keep) {
                        ended += self.rows.revoke(id, None, reason).await?.count();
                    }
                    Ok(ended)
                }
                Fault::RevokeOthersNeedsTheirOwn => {
                    let live = self.rows.list(subject, Page::default()).await?;
                    if live.iter().all(|record| record.id != keep) {
                        return Ok(0);
                    }
                    self.rows.revoke_others(subject, keep, reason).await
                }
                _ => self.rows.revoke_others(subject, keep, reason).await,
            }
        })
    }

    fn reauthenticate(&self, mut rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(async move {
            let id = rotation.id;
            match self.fault {
                Fault::ReauthenticateLies => {
                    let authenticated_at = Timestamp::now();
                    return Ok(Reauthenticated::Written { authenticated_at });
                }
                Fault::ReauthenticateIsNoUse => rotation.idle = self.left(id).await?,
                Fault::ReauthenticatePassesTheDeadline => {
                    let idle = rotation.idle;
                    self.put(id, |new| (new.idle, new.absolute) = (idle, idle)).await?;
                }
                _ => {}
            }
            if let Some(Loaded { secrets, now, .. }) = self.loaded(id).await? {
                match self.fault {
                    Fault::ReauthenticateIgnoresTheSecret => rotation.from = secrets.current,
                    Fault::ReauthenticateChecksBeforeItWrites
                        if secrets.may_rotate(rotation.from, now, true) =>
                    {
                        lose_the_race().await;
                        if let Some(loaded) = self.loaded(id).await? {
                            rotation.from = loaded.secrets.current;
                        }
                    }
                    Fault::ReauthenticateNeedsTheCurrentSecret
                        if rotation.from != secrets.current =>
                    {
                        return Ok(Reauthenticated::Conflict);
                    }
                    _ => {}
                }
            }
            let outcome = self.rows.reauthenticate(rotation).await?;
            if outcome == Reauthenticated::Conflict {
                self.half_done.lock().unwrap().insert(id);
            }
            if outcome == Reauthenticated::Gone && self.is(Fault::ReauthenticateRevives) {
                self.put(id, |_| {}).await?;
            }
            Ok(outcome)
        })
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            match self.fault {
                Fault::RevokeEveryoneSparesOne => {
                    let mut live = Vec::new();
                    for id in self.ids() {
                        live.extend(self.loaded(id).await?.map(|_| id));
                    }
                    for id in live.iter().skip(1) {
                        self.rows.revoke(*id, None, reason).await?;
                    }
                    Ok(live.len() as u64)
                }
                Fault::RevokeEveryoneCountsEnded => {
                    self.rows.revoke_everyone(reason).await?;
                    Ok(self.ids().len() as u64)
                }
                _ => self.rows.revoke_everyone(reason).await,
            }
        })
    }

    fn cut_off<'a>(&'a self, _: &'a Uuid, _: EndReason) -> StoreFuture<'a, u64> {
        unreachable!("the payload has no cut-offs")
    }

    fn history<'a>(
        &'a self,
        subject: &'a Uuid,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<Payload>>> {
        self.rows.history(subject, page)
    }

    fn list<'a>(
        &'a self,
        subject: &'a Uuid,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<Payload>>> {
        Box::pin(async move {
            let page = match self.fault {
                Fault::ListIgnoresTheLimit => page.limited(Page::MOST),
                Fault::ListIgnoresTheCursor => Page::first(page.limit()),
                _ => page,
            };
            let Listed { entries: mut listed, mut next, undecodable } =
                self.rows.list(subject, page).await?;
            match self.fault {
                Fault::ListEndsEarly => next = None,
                Fault::ListNeverEnds => {
                    let place =
                        |record: &Record<_>| Cursor { at: record.created_at, id: record.id };
                    next = listed.last().map(place);
                }
                Fault::ListIsOldestFirst => listed.reverse(),
                Fault::ListShowsOthers => {
                    listed.clear();
                    for id in self.ids() {
                        let loaded = self.loaded(id).await?;
                        listed.extend(loaded.map(|loaded| (*loaded.record).clone()));
                    }
                    listed.sort_by_key(|record| std::cmp::Reverse(record.created_at));
                }
                Fault::ListShowsEnded => {
                    let created = self.created();
                    let ended = created.values().filter(|new| {
                        new.data.user_id == *subject
                            && listed.iter().all(|record| record.id != new.id)
                    });
                    let ended: Vec<_> = ended.map(revived).collect();
                    listed.extend(ended);
                }
                Fault::ListIsStale => {
                    let seen = self.seen();
                    for record in &mut listed {
                        if let Some(first) = seen.get(&record.id) {
                            *record = (*first.record).clone();
                        }
                    }
                }
                Fault::UpdateForgetsTheOldSubject => {
                    let seen = self.seen();
                    let before =
                        seen.values().filter(|loaded| loaded.record.data.user_id == *subject);
                    let before: Vec<_> = before.map(|loaded| (*loaded.record).clone()).collect();
                    if listed.is_empty() {
                        listed = before;
                    }
                }
                _ => {}
            }
            Ok(Listed { entries: listed, next, undecodable })
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            match self.fault {
                Fault::SweepDoesNothing => Ok(0),
                Fault::SweepIgnoresTheBatch => self.rows.sweep(u32::MAX).await,
                Fault::SweepCountsItsBatch => {
                    let swept = self.rows.sweep(batch).await?;
                    Ok(if swept == 0 { 0 } else { batch.into() })
                }
                Fault::SweepRemovesLiveRows => {
                    let mut swept = 0;
                    for id in self.ids() {
                        swept += self.rows.revoke(id, None, EndReason::Revoked).await?.count();
                    }
                    Ok(swept + self.rows.sweep(batch).await?)
                }
                Fault::SweepForgetsTouches => {
                    for id in self.ids() {
                        let Some(loaded) = self.loaded(id).await? else { continue };
                        let idle = self.created()[&id].idle;
                        if loaded.record.created_at.saturating_add(idle) <= loaded.now {
                            self.rows.revoke(id, None, EndReason::Revoked).await?;
                        }
                    }
                    self.rows.sweep(batch).await
                }
                _ => self.rows.sweep(batch).await,
            }
        })
    }
}

fn ended_if(known: bool) -> Ending {
    if known { Ending::Ended } else { Ending::NotLive }
}

/// An ended session as if it had just been created.
fn revived(new: &NewSession<Payload>) -> Record<Payload> {
    let now = Timestamp::now();
    Record {
        id: new.id,
        created_at: now,
        authenticated_at: now,
        last_seen_at: now,
        expires_at: now,
        deadline: now,
        version: 1,
        remembered: new.remembered,
        client: None,
        data: Arc::clone(&new.data),
    }
}

/// A session that nobody asked for.
fn any_session(id: SessionId) -> NewSession<Payload> {
    let data = Payload {
        user_id: Uuid::nil(),
        title: String::new(),
        note: None,
        active: false,
        level: 0,
        visits: 0,
        ratio: 0.0,
        avatar: Vec::new(),
        tags: Default::default(),
        born_at: Timestamp::from_micros(0),
    };
    let (lasting, secret) = (LastingHash::from_bytes([0; 32]), SecretHash::from_bytes([0; 32]));
    NewSession::new(id, lasting, secret, Arc::new(data))
}
