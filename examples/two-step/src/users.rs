//! The application's users. A real application has them in its database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use webauthn_rs::prelude::{AuthenticationResult, Passkey};

/// The users, in memory.
#[derive(Clone, Default)]
pub struct Users(Arc<Mutex<HashMap<i64, User>>>);

/// A user.
#[derive(Default)]
struct User {
    name: String,
    password_hash: String,
    totp_secret: Option<Vec<u8>>,
    /// The step of the last code that was accepted. RFC 6238 5.2: a code is accepted once.
    last_step: u64,
    /// Who they are to the provider: issuer and subject.
    federated: Option<(String, String)>,
    passkeys: Vec<Passkey>,
}

impl Users {
    fn all(&self) -> MutexGuard<'_, HashMap<i64, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, user: User) -> i64 {
        let mut all = self.all();
        let id = i64::try_from(all.len()).unwrap_or(i64::MAX) + 1;
        all.insert(id, user);
        id
    }

    /// Adds a user with a password, and with an authenticator app that has this secret.
    pub fn register(&self, name: &str, password: &str, totp_secret: Option<Vec<u8>>) -> i64 {
        let password_hash = password_auth::generate_hash(password);
        self.insert(User { name: name.into(), password_hash, totp_secret, ..User::default() })
    }

    /// Returns whose name and password these are.
    pub(crate) fn authenticate(&self, name: &str, password: &str) -> Option<i64> {
        let (id, hash) = {
            let all = self.all();
            let (id, user) = all.iter().find(|(_, user)| user.name == name)?;
            (*id, user.password_hash.clone())
        };
        password_auth::verify_password(password, &hash).is_ok().then_some(id)
    }

    pub(crate) fn totp_secret(&self, id: i64) -> Option<Vec<u8>> {
        self.all().get(&id)?.totp_secret.clone()
    }

    /// Records that the code of this step was used. Returns `false` if it was used before. In SQL:
    /// `UPDATE users SET last_step = $2 WHERE id = $1 AND last_step < $2`.
    pub(crate) fn use_step(&self, id: i64, step: u64) -> bool {
        match self.all().get_mut(&id) {
            Some(user) if user.last_step < step => {
                user.last_step = step;
                true
            }
            _ => false,
        }
    }

    /// Returns the user whom a provider calls `subject`, and creates one the first time. An e-mail
    /// address would not do: the provider may give it to somebody else.
    pub(crate) fn of_provider(&self, issuer: &str, subject: &str) -> i64 {
        let federated = Some((issuer.to_owned(), subject.to_owned()));
        let known = self.all().iter().find(|(_, user)| user.federated == federated).map(|it| *it.0);
        known.unwrap_or_else(|| {
            self.insert(User { name: subject.into(), federated, ..User::default() })
        })
    }

    /// Returns a user's id and passkeys.
    pub(crate) fn passkeys(&self, name: &str) -> Option<(i64, Vec<Passkey>)> {
        let all = self.all();
        let (id, user) = all.iter().find(|(_, user)| user.name == name)?;
        Some((*id, user.passkeys.clone()))
    }

    pub(crate) fn name(&self, id: i64) -> Option<String> {
        Some(self.all().get(&id)?.name.clone())
    }

    pub(crate) fn add_passkey(&self, id: i64, passkey: Passkey) {
        if let Some(user) = self.all().get_mut(&id) {
            user.passkeys.push(passkey);
        }
    }

    /// Keeps a passkey's counter, by which a copy of it would be noticed.
    pub(crate) fn update_passkey(&self, id: i64, result: &AuthenticationResult) {
        if let Some(user) = self.all().get_mut(&id) {
            for passkey in &mut user.passkeys {
                passkey.update_credential(result);
            }
        }
    }
}
