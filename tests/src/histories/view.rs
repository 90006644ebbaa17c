//! What tasks know of a session, and how its numbers stand in the store.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use anchor::store::{Loaded, Record};
use anchor::token::{LastingHash, SecretHash};
use anchor::{SessionId, Timestamp};
use uuid::Uuid;

use super::history::{Secret, Seen, SeenSecrets, Session, Subject};
use super::payload::Numbered;

const HOUR: Duration = Duration::from_secs(3600);

/// A live session, as a client and its node know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) secret: Secret,
    pub(super) version: i64,
    pub(super) subject: Subject,
    pub(super) number: i64,
    /// The store's time when it was seen.
    pub(super) now: Timestamp,
}

/// The ids of a history's sessions and subjects, which no other history has.
pub(super) struct Names {
    ids: Vec<SessionId>,
    subjects: Vec<Uuid>,
}

/// Randomness of the standard library.
fn random() -> Uuid {
    let [high, low] = [(); 2].map(|()| RandomState::new().hash_one(()));
    Uuid::from_u64_pair(high, low)
}

impl Names {
    /// Names so many subjects, and sessions with ids that `place` may change.
    pub(super) fn new(
        subjects: usize,
        sessions: &[Subject],
        place: impl Fn(SessionId, Uuid) -> SessionId,
    ) -> Self {
        let subjects: Vec<_> = (0..subjects).map(|_| random()).collect();
        let id = |subject: &Subject| place(SessionId::from_uuid(random()), subjects[*subject]);
        Self { ids: sessions.iter().map(id).collect(), subjects }
    }

    pub(super) fn id(&self, session: Session) -> SessionId {
        self.ids[session]
    }

    pub(super) fn subject(&self, subject: Subject) -> &Uuid {
        const NOBODY: Uuid = Uuid::nil();
        self.subjects.get(subject).unwrap_or(&NOBODY)
    }

    /// The hash that stands for a secret.
    pub(super) fn secret(&self, session: Session, secret: Secret) -> SecretHash {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(self.ids[session].as_uuid().as_bytes());
        bytes[16..20].copy_from_slice(&secret.to_be_bytes());
        SecretHash::from_bytes(bytes)
    }

    /// The secret that a hash stands for; one that is never used if it is not of this session.
    fn secret_of(&self, session: Session, hash: SecretHash) -> Secret {
        let bytes = hash.as_bytes();
        let mut number = [0; 4];
        number.copy_from_slice(&bytes[16..20]);
        let secret = Secret::from_be_bytes(number);
        if self.secret(session, secret) == hash { secret } else { Secret::MAX }
    }

    /// The hash that proves that somebody may end a session, or one that proves nothing.
    pub(super) fn proof(&self, session: Session, is_right: bool) -> LastingHash {
        let mut bytes = [u8::from(is_right); 32];
        bytes[..16].copy_from_slice(self.ids[session].as_uuid().as_bytes());
        LastingHash::from_bytes(bytes)
    }

    /// The number of a session.
    pub(super) fn session(&self, id: SessionId) -> Session {
        self.ids.iter().position(|own| *own == id).unwrap_or(usize::MAX)
    }

    /// The number of the subject of a payload.
    pub(super) fn subject_of<T: Numbered>(&self, data: &T) -> Subject {
        let subject = self.subjects.iter().position(|own| Some(own) == data.subject());
        subject.unwrap_or(usize::MAX)
    }

    /// A record as a list shows it.
    pub(super) fn seen<T: Numbered>(&self, record: &Record<T>) -> Seen {
        let expires_at = record.expires_at.as_micros();
        Seen {
            subject: self.subject_of(&*record.data),
            number: record.data.number(),
            version: record.version,
            idle: expires_at - record.last_seen_at.as_micros(),
            expires_at,
            authenticated_at: record.authenticated_at.as_micros(),
            secrets: None,
        }
    }

    /// What a load of a session shows. The secrets of another session are not its own.
    pub(super) fn loaded<T: Numbered>(&self, session: Session, loaded: &Loaded<T>) -> (Seen, View) {
        let secrets = &loaded.secrets;
        let is_own =
            loaded.record.id == self.id(session) && secrets.lasting == self.proof(session, true);
        let number = |hash| if is_own { self.secret_of(session, hash) } else { Secret::MAX };
        // A load may show a rotation that began at an instant after the load's own. A grace period
        // that is over at once is not one that lasts.
        let soon = loaded.now.saturating_add(HOUR);
        let shown = SeenSecrets {
            current: number(secrets.current),
            previous: secrets.previous.map(number),
            rotation: secrets.rotation,
            in_grace: secrets.previous_until.is_some_and(|until| until > soon),
        };
        let seen = self.seen(&loaded.record);
        let view = View {
            secret: shown.current,
            version: seen.version,
            subject: seen.subject,
            number: seen.number,
            now: loaded.now,
        };
        (Seen { secrets: Some(shown), ..seen }, view)
    }
}
