//! The calls that a task makes: each verb, with what the task holds of its session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anchor::StoreError;
use anchor::store::{
    Change, Consumed, Created, EndReason, Ending, Load, NewSession, OldSecret, Page,
    Reauthenticated, Replaced, Rotated, Rotation, Touch, Touched, Updated, Use,
};

use super::history::{Answer, Call, Edit, FIRST_SECRET, Login, Proof, Session, Subject, Turn};
use super::payload::Numbered;
use super::plan::{Held, Pause};
use super::tasks::Actor;
use super::view::View;

/// A lifetime, and a grace period, that no history reaches the end of.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The idle timeout of the call with this number.
fn idle(number: u32) -> Duration {
    Duration::from_secs(3600 + u64::from(number))
}

fn idle_micros(number: u32) -> i64 {
    idle(number).as_micros() as i64
}

/// The answer, or that it is an error.
fn answer_of<R>(answer: Result<R, StoreError>, means: impl FnOnce(R) -> Answer) -> Answer {
    answer.map_or_else(|error| Answer::Failed(error.to_string()), means)
}

fn ending(answer: Result<Ending, StoreError>) -> Answer {
    answer_of(answer, |ending| match ending {
        Ending::Ended => Answer::Ended,
        Ending::NotLive => Answer::NotLive,
        Ending::Unproven => Answer::Unproven,
    })
}

impl<T: Numbered> Actor<T> {
    pub(super) async fn create(
        &mut self,
        number: u32,
        session: Session,
        began: Option<Pause>,
        replaces: Option<(Session, bool)>,
    ) {
        let mut replaced = None;
        if let Some((old, is_proven)) = replaces
            && self.view(old, Held::Latest).await.is_some()
        {
            replaced = Some((old, is_proven));
        }
        let subject = self.first[session];
        let mut login = Login {
            session,
            subject,
            secret: FIRST_SECRET,
            number: number.into(),
            idle: idle_micros(number),
            began: None,
            replaces: replaced,
        };
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let names = &scene.names;
        let data = T::numbered(*names.subject(subject), login.number);
        let (lasting, secret) = (names.proof(session, true), names.secret(session, FIRST_SECRET));
        let mut new = NewSession::new(names.id(session), lasting, secret, Arc::new(data));
        (new.idle, new.absolute, new.limit) = (idle(number), DAY, scene.limit);
        new.replaces = replaced.map(|(old, is_right)| Replaced {
            id: names.id(old),
            proof: names.proof(old, is_right),
        });
        if let Some(pause) = began {
            let began = Instant::now();
            (new.began, login.began) = (Some(began.into()), Some(began - scene.start));
            pause.pass().await;
        }
        let mut view = None;
        let answer = async {
            answer_of(store.create(new).await, |created| match created {
                Created::Session { record, ended } => {
                    let now = record.created_at;
                    let (secret, number) = (FIRST_SECRET, number.into());
                    view = Some(View { secret, version: record.version, subject, number, now });
                    Answer::Created {
                        authenticated_at: record.authenticated_at.as_micros(),
                        expires_at: record.expires_at.as_micros(),
                        ended: ended.into_iter().map(|id| names.session(id)).collect(),
                    }
                }
                Created::SubjectFull => Answer::SubjectFull,
            })
        };
        self.record(Call::Create(login), answer).await;
        match view {
            Some(view) => self.remember(session, view),
            None => self.give_up(session),
        }
    }

    /// As a manager loads: without waiting, if the store can.
    pub(super) async fn load(&mut self, session: Session) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let (names, mut view) = (&scene.names, None);
        let answer = async {
            let id = names.id(session);
            let found = match store.try_load(id) {
                Some(found) => found,
                None => store.load(id).await,
            };
            answer_of(found, |found| match found {
                Load::Live(loaded) => {
                    let (seen, shown) = names.loaded(session, &loaded);
                    view = Some(shown);
                    Answer::Live(seen)
                }
                Load::Ended | Load::Absent => Answer::NotLive,
                Load::Undecodable(error) => panic!("session {session} is undecodable: {error}"),
            })
        };
        self.record(Call::Load(session), answer).await;
        if let Some(view) = view {
            self.remember(session, view);
        }
    }

    pub(super) async fn update(
        &mut self,
        number: u32,
        session: Session,
        view: View,
        heir: Option<Subject>,
        differs: bool,
    ) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let names = &scene.names;
        let subject = heir.filter(|_| differs).unwrap_or(view.subject);
        let written = if differs { number.into() } else { view.number };
        let payload = |subject, number| Arc::new(T::numbered(*names.subject(subject), number));
        let change = Change {
            id: names.id(session),
            secret: names.secret(session, view.secret),
            version: view.version,
            from: payload(view.subject, view.number),
            to: payload(subject, written),
            idle: idle(number),
        };
        let answer = async {
            answer_of(store.update(change).await, |updated| match updated {
                Updated::Written { version } => Answer::Written(Some(version)),
                Updated::Conflict => Answer::Conflict,
                Updated::Gone => Answer::Gone,
            })
        };
        let View { secret, version, .. } = view;
        let idle = idle_micros(number);
        let edit = Edit { session, secret, version, subject, number: written, differs, idle };
        if let Answer::Written(Some(version)) = *self.record(Call::Update(edit), answer).await {
            self.remember(session, View { version, subject, number: written, ..view });
        }
    }

    pub(super) async fn touch(
        &mut self,
        number: u32,
        session: Session,
        view: View,
        presents: bool,
    ) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let presented = presents.then_some(view.secret);
        let mut touch = Touch::new(scene.names.id(session), idle(number));
        touch.presented = presented.map(|secret| scene.names.secret(session, secret));
        let answer = async {
            answer_of(store.touch(touch).await, |touched| match touched {
                Touched::Written { expires_at } => Answer::Written(Some(expires_at.as_micros())),
                Touched::Gone => Answer::Gone,
            })
        };
        let call = Call::Touch { session, presented, idle: idle_micros(number) };
        self.record(call, answer).await;
    }

    pub(super) async fn record_use(&mut self, number: u32, session: Session, view: View) {
        let (id, store) = (self.scene.names.id(session), self.store());
        let Some(recorder) = store.uses_recorder() else {
            return self.touch(number, session, view, false).await;
        };
        let answer = async {
            let recorded = recorder.record_uses(vec![Use::new(id, view.now, idle(number))]).await;
            answer_of(recorded, |recorded| Answer::UseRecorded(recorded.contains(&id)))
        };
        let (at, idle) = (view.now.as_micros(), idle_micros(number));
        self.record(Call::RecordUse { session, at, idle }, answer).await;
    }

    /// A rotation to the secret with the number of the call, as the store and as the history
    /// know it.
    fn turn(
        &self,
        number: u32,
        session: Session,
        view: View,
        old: OldSecret,
        grace: bool,
    ) -> (Rotation, Turn) {
        let names = &self.scene.names;
        let rotation = Rotation {
            id: names.id(session),
            from: names.secret(session, view.secret),
            to: names.secret(session, number),
            grace: if grace { DAY } else { Duration::ZERO },
            old,
            idle: idle(number),
        };
        let (from, idle) = (view.secret, idle_micros(number));
        (rotation, Turn { session, from, to: number, old, grace, idle })
    }

    pub(super) async fn rotate(
        &mut self,
        number: u32,
        session: Session,
        view: View,
        old: OldSecret,
        grace: bool,
    ) {
        let (rotation, turn) = self.turn(number, session, view, old, grace);
        let store = self.store();
        let answer = async {
            answer_of(store.rotate(rotation).await, |rotated| match rotated {
                Rotated::Written => Answer::Written(None),
                Rotated::Conflict => Answer::Conflict,
                Rotated::Gone => Answer::Gone,
            })
        };
        if let Answer::Written(_) = self.record(Call::Rotate(turn), answer).await {
            self.remember(session, View { secret: number, ..view });
        }
    }

    pub(super) async fn reauthenticate(
        &mut self,
        number: u32,
        session: Session,
        view: View,
        old: OldSecret,
        grace: bool,
    ) {
        let (rotation, turn) = self.turn(number, session, view, old, grace);
        let store = self.store();
        let answer = async {
            answer_of(store.reauthenticate(rotation).await, |outcome| match outcome {
                Reauthenticated::Written { authenticated_at } => {
                    Answer::Written(Some(authenticated_at.as_micros()))
                }
                Reauthenticated::Conflict => Answer::Conflict,
                Reauthenticated::Gone => Answer::Gone,
            })
        };
        if let Answer::Written(_) = self.record(Call::Reauthenticate(turn), answer).await {
            self.remember(session, View { secret: number, ..view });
        }
    }
}

/// The calls that end sessions, and lists.
impl<T: Numbered> Actor<T> {
    pub(super) async fn consume(&mut self, session: Session, view: View) {
        let (scene, store, secret) = (Arc::clone(&self.scene), self.store(), view.secret);
        let names = &scene.names;
        let answer = async {
            let consumed = store.consume(names.id(session), names.secret(session, secret)).await;
            answer_of(consumed, |consumed| match consumed {
                Consumed::Ended(last) => {
                    Answer::Consumed { subject: names.subject_of(&*last), number: last.number() }
                }
                Consumed::Conflict => Answer::Conflict,
                Consumed::Gone => Answer::Gone,
            })
        };
        self.record(Call::Consume { session, secret }, answer).await;
    }

    pub(super) async fn revoke(&mut self, session: Session, proof: Proof, reason: EndReason) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let presented = match proof {
            Proof::None => None,
            _ => Some(scene.names.proof(session, proof == Proof::OfTheSession)),
        };
        let id = scene.names.id(session);
        let answer = async { ending(store.revoke(id, presented, reason).await) };
        self.record(Call::Revoke { session, proof }, answer).await;
    }

    pub(super) async fn revoke_of(&mut self, subject: Subject, session: Session) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let (of, id) = (scene.names.subject(subject), scene.names.id(session));
        let answer = async { ending(store.revoke_of(of, id, EndReason::Revoked).await) };
        self.record(Call::RevokeOf { session, subject }, answer).await;
    }

    pub(super) async fn revoke_subject(&mut self, subject: Subject) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let of = scene.names.subject(subject);
        let answer = async {
            answer_of(store.revoke_subject(of, EndReason::LogoutAll).await, Answer::Count)
        };
        self.record(Call::RevokeSubject(subject), answer).await;
    }

    pub(super) async fn revoke_others(&mut self, subject: Subject, keep: Session) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let (of, kept) = (scene.names.subject(subject), scene.names.id(keep));
        let answer = async {
            let ended = store.revoke_others(of, kept, EndReason::LogoutOthers).await;
            answer_of(ended, Answer::Count)
        };
        self.record(Call::RevokeOthers { subject, keep }, answer).await;
    }

    pub(super) async fn cut_off(&mut self, subject: Subject) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let of = scene.names.subject(subject);
        let answer = async {
            let ended = T::cut_off(&*store, of).expect("the payload has cut-offs").await;
            answer_of(ended, Answer::Count)
        };
        self.record(Call::CutOff(subject), answer).await;
    }

    pub(super) async fn list(&mut self, subject: Subject) {
        let (scene, store) = (Arc::clone(&self.scene), self.store());
        let names = &scene.names;
        let answer = async {
            answer_of(store.list(names.subject(subject), Page::default()).await, |listed| {
                let seen =
                    listed.iter().map(|record| (names.session(record.id), names.seen(record)));
                Answer::Listed(seen.collect())
            })
        };
        self.record(Call::List(subject), answer).await;
    }
}
