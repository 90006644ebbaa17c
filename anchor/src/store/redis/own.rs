//! What anchor itself keeps of a session, all in one field of its hash:
//! `created_at=1763000000000000;..`.
//!
//! Each field of an answer costs the client almost as much as reading this whole text, and a
//! session is read in each request.

use super::codec::{hash_of_hex, hex, maybe, plain_name, subject_number};
use crate::column::{Column, ColumnError};
use crate::payload::{DecodeError, SessionData};
use crate::store::{Fingerprint, NewSession, RotationState, Secrets};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

/// The name of the field.
pub(super) const OWN: &str = "@session";

macro_rules! entries {
    ($($name:ident),+ $(,)?) => {
        /// The entries of the field, in the order in which they are written.
        #[cfg(any(test, feature = "_fuzz"))]
        pub(super) const ENTRIES: &[&str] = &[$(stringify!($name)),+];

        /// The texts of the entries.
        #[derive(Default)]
        pub(super) struct Own<'f> {
            $($name: Option<&'f str>,)+
        }

        impl<'f> Own<'f> {
            fn place(&mut self, name: &str) -> Option<&mut Option<&'f str>> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

entries! {
    created_at,
    authenticated_at,
    last_seen_at,
    expires_at,
    deadline,
    version,
    remembered,
    rotation_state,
    lasting_hash,
    secret_hash,
    previous_secret_hash,
    previous_secret_until,
    fingerprint,
    taken_names,
    subject_number,
    subject,
    ended_at,
    status,
    end_reason,
}

/// When a session was used, and until when it lasts.
pub(super) struct Times {
    pub(super) created_at: Timestamp,
    pub(super) authenticated_at: Timestamp,
    pub(super) last_seen_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) deadline: Timestamp,
}

impl Times {
    /// Returns the entries of a new session; the scripts do it in `save`.
    pub(super) fn entries(&self) -> String {
        format!(
            "created_at={};authenticated_at={};last_seen_at={};expires_at={};deadline={}",
            self.created_at.as_micros(),
            self.authenticated_at.as_micros(),
            self.last_seen_at.as_micros(),
            self.expires_at.as_micros(),
            self.deadline.as_micros(),
        )
    }
}

/// Returns the entries of a new session that follow its times, which the store's clock decides.
pub(super) fn new_entries<T: SessionData>(
    new: &NewSession<T>,
    taken_names: Option<&str>,
    subject: Option<&str>,
) -> String {
    let mut entries = format!(
        "version=1;remembered={};rotation_state={};lasting_hash={};secret_hash={}",
        new.remembered,
        RotationState::Settled.as_str(),
        hex(new.lasting.as_bytes()),
        hex(new.secret.as_bytes()),
    );
    if let Some(fingerprint) = new.fingerprint.filter(|_| T::schema().options.fingerprint) {
        entries += &format!(";fingerprint={}", hex(fingerprint.as_bytes()));
    }
    if let Some(taken) = taken_names {
        entries += &format!(";taken_names={}", plain_name(taken.as_bytes()));
    }
    if let Some(subject) = subject {
        entries += &format!(";subject_number={};subject={subject}", subject_number(subject));
    }
    entries
}

impl<'f> Own<'f> {
    /// Reads the field.
    ///
    /// # Errors
    ///
    /// Fails if the field has anything but known entries, each once. What an entry contains is not
    /// looked at.
    pub(super) fn of(field: &'f [u8]) -> Result<Self, DecodeError> {
        let malformed = |reason| DecodeError::new(OWN, ColumnError::new(reason));
        let text = std::str::from_utf8(field).map_err(|_| malformed("expected text"))?;
        let mut own = Self::default();
        for entry in text.split(';') {
            let (name, value) = entry
                .split_once('=')
                .ok_or_else(|| malformed("expected `name=value`, separated by semicolons"))?;
            let place = own.place(name);
            let place = place.ok_or_else(|| malformed("it has an entry with an unknown name"))?;
            if place.replace(value).is_some() {
                return Err(malformed("it has an entry twice"));
            }
        }
        Ok(own)
    }

    pub(super) fn times(&self) -> Result<Times, DecodeError> {
        Ok(Times {
            created_at: self.created_at()?,
            authenticated_at: required("authenticated_at", self.authenticated_at)?,
            last_seen_at: required("last_seen_at", self.last_seen_at)?,
            expires_at: self.expires_at()?,
            deadline: self.deadline()?,
        })
    }

    pub(super) fn created_at(&self) -> Result<Timestamp, DecodeError> {
        required("created_at", self.created_at)
    }

    fn expires_at(&self) -> Result<Timestamp, DecodeError> {
        required("expires_at", self.expires_at)
    }

    pub(super) fn deadline(&self) -> Result<Timestamp, DecodeError> {
        required("deadline", self.deadline)
    }

    pub(super) fn version(&self) -> Result<i64, DecodeError> {
        required("version", self.version)
    }

    pub(super) fn remembered(&self) -> Result<bool, DecodeError> {
        required("remembered", self.remembered)
    }

    pub(super) fn secrets(&self) -> Result<Secrets, DecodeError> {
        let state = self.rotation_state.ok_or_else(|| absent("rotation_state"))?;
        let unknown =
            || DecodeError::new("rotation_state", ColumnError::new("expected a rotation state"));
        let previous = maybe_hash("previous_secret_hash", self.previous_secret_hash)?;
        Ok(Secrets {
            lasting: self.lasting()?,
            current: SecretHash::from_bytes(hash("secret_hash", self.secret_hash)?),
            previous: previous.map(SecretHash::from_bytes),
            previous_until: maybe(
                "previous_secret_until",
                self.previous_secret_until.map(str::as_bytes),
            )?,
            rotation: RotationState::from_word(state).ok_or_else(unknown)?,
        })
    }

    /// What proves that the caller may end the session.
    pub(super) fn lasting(&self) -> Result<LastingHash, DecodeError> {
        hash("lasting_hash", self.lasting_hash).map(LastingHash::from_bytes)
    }

    pub(super) fn fingerprint(&self) -> Result<Option<Fingerprint>, DecodeError> {
        Ok(maybe_hash("fingerprint", self.fingerprint)?.map(Fingerprint::from_bytes))
    }

    /// The names that have changed hands.
    pub(super) fn taken_names(&self) -> Option<&'f str> {
        self.taken_names
    }

    /// How keys name the session's subject.
    pub(super) fn subject(&self) -> Option<&'f str> {
        self.subject
    }

    /// The number of the session's subject in the index.
    pub(super) fn subject_number(&self) -> Result<Option<u64>, DecodeError> {
        let number = self.subject_number.map(str::as_bytes);
        let number: Option<i64> = maybe("subject_number", number)?;
        Ok(number.map(i64::cast_unsigned))
    }

    /// Returns whether the session has ended.
    pub(super) fn has_ended(&self, now: Timestamp) -> Result<bool, DecodeError> {
        Ok(self.has_end() || now >= self.expires_at()?)
    }

    /// Returns whether the session's end was recorded.
    pub(super) fn has_end(&self) -> bool {
        self.ended_at.is_some()
    }

    pub(super) fn status(&self) -> Option<&'f str> {
        self.status
    }

    pub(super) fn end_reason(&self) -> Option<&'f str> {
        self.end_reason
    }
}

fn absent(name: &'static str) -> DecodeError {
    DecodeError::new(name, ColumnError::new("the session has no such entry"))
}

fn required<C: Column>(name: &'static str, entry: Option<&str>) -> Result<C, DecodeError> {
    maybe(name, entry.map(str::as_bytes))?.ok_or_else(|| absent(name))
}

fn maybe_hash(name: &'static str, entry: Option<&str>) -> Result<Option<[u8; 32]>, DecodeError> {
    let Some(entry) = entry else { return Ok(None) };
    let other = || DecodeError::new(name, ColumnError::new("expected 64 hexadecimal digits"));
    hash_of_hex(entry).map(Some).ok_or_else(other)
}

fn hash(name: &'static str, entry: Option<&str>) -> Result<[u8; 32], DecodeError> {
    maybe_hash(name, entry)?.ok_or_else(|| absent(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_field_is_refused_without_being_quoted() {
        let fields: [&[u8]; 8] = [
            b"",
            b"hunter2",
            b"hunter2=1",
            b"=1",
            b"version=1;",
            b";version=1",
            b"version=1;version=1",
            b"version=\xff",
        ];
        for field in fields {
            let error = Own::of(field).err().expect("it is malformed");
            assert_eq!(error.column(), OWN);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_malformed_entry_is_refused_by_its_name() {
        let own = Own::of(b"version=hunter2;remembered=1;lasting_hash=00;subject=a=b").unwrap();
        assert_eq!(own.subject(), Some("a=b"));
        let errors = [
            own.version().map(drop).unwrap_err(),
            own.remembered().map(drop).unwrap_err(),
            own.times().map(drop).unwrap_err(),
            own.secrets().map(drop).unwrap_err(),
        ];
        let names = errors.iter().map(DecodeError::column).collect::<Vec<_>>();
        assert_eq!(names, ["version", "remembered", "created_at", "rotation_state"]);
        assert!(!errors[0].to_string().contains("hunter2"), "{}", errors[0]);
    }
}
