//! The application's users. A real application has them in its database.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{JoinError, spawn_blocking};
use webauthn_rs::prelude::{AuthenticationResult, CredentialID, Passkey};

/// How many codes of a user may be tried in [`GUESSING`], in however many logins. A right code
/// begins the count anew.
const MOST_GUESSES: u32 = 10;
const GUESSING: Duration = Duration::from_secs(15 * 60);

/// What the password of an unknown user is compared with.
static NOBODY: LazyLock<String> = LazyLock::new(|| password_auth::generate_hash("nobody"));

/// The users, in memory.
#[derive(Clone, Default)]
pub struct Users(Arc<Mutex<HashMap<i64, User>>>);

/// A user.
#[derive(Default)]
struct User {
    name: String,
    /// `None`: they log in at the provider.
    password_hash: Option<String>,
    totp_secret: Option<Vec<u8>>,
    /// The step of the last code that was accepted. RFC 6238 5.2: a code is accepted once.
    last_step: u64,
    /// How many codes were tried since the instant.
    guesses: Option<(u32, Instant)>,
    /// Who they are to the provider: issuer and subject.
    federated: Option<(String, String)>,
    passkeys: Vec<KnownPasskey>,
}

struct KnownPasskey {
    passkey: Passkey,
    /// How often it has signed, at its last login; 0 if it does not count.
    counter: u32,
}

impl KnownPasskey {
    fn id(&self) -> &CredentialID {
        self.passkey.cred_id()
    }
}

impl Users {
    fn all(&self) -> MutexGuard<'_, HashMap<i64, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a user with a password, and with an authenticator app that has this secret.
    pub fn register(&self, name: &str, password: &str, totp_secret: Option<Vec<u8>>) -> i64 {
        let password_hash = Some(password_auth::generate_hash(password));
        insert(
            &mut self.all(),
            User { name: name.into(), password_hash, totp_secret, ..User::default() },
        )
    }

    /// Returns whose name and password these are. An unknown name takes as long as a wrong
    /// password. Hashing takes long, so it has a thread of its own: on the runtime's threads,
    /// every other request would wait for it.
    ///
    /// # Errors
    ///
    /// Returns an error if hashing panics, or the runtime shuts down.
    pub(crate) async fn authenticate(
        &self,
        name: &str,
        password: String,
    ) -> Result<Option<i64>, JoinError> {
        let (id, hash) = {
            let all = self.all();
            let known = all.iter().find(|(_, user)| user.name == name);
            known.and_then(|(id, user)| Some((*id, user.password_hash.clone()?))).unzip()
        };
        let verify = move || {
            // Made at the first login, whoever that is.
            let nobody = NOBODY.as_str();
            password_auth::verify_password(password, hash.as_deref().unwrap_or(nobody)).is_ok()
        };
        let is_right = spawn_blocking(verify).await?;
        Ok(id.filter(|_| is_right))
    }

    pub(crate) fn totp_secret(&self, id: i64) -> Option<Vec<u8>> {
        self.all().get(&id)?.totp_secret.clone()
    }

    /// Counts a guess at a user's code, and returns whether it may be looked at. In SQL, one
    /// statement: `UPDATE users SET guesses = .. + 1 WHERE id = $1 RETURNING guesses`.
    pub(crate) fn may_guess(&self, id: i64) -> bool {
        let now = Instant::now();
        let mut all = self.all();
        let Some(user) = all.get_mut(&id) else { return false };
        let recent = user.guesses.filter(|(_, since)| now.duration_since(*since) < GUESSING);
        let (guesses, since) = recent.unwrap_or((0, now));
        user.guesses = Some((guesses.saturating_add(1), since));
        guesses < MOST_GUESSES
    }

    /// Records that the code of this step was used. Returns `false` if it was used before. In SQL:
    /// `UPDATE users SET last_step = $2, guesses = 0 WHERE id = $1 AND last_step < $2`.
    pub(crate) fn use_step(&self, id: i64, step: u64) -> bool {
        match self.all().get_mut(&id) {
            Some(user) if user.last_step < step => {
                user.last_step = step;
                user.guesses = None;
                true
            }
            _ => false,
        }
    }

    /// Returns the user whom a provider calls `subject`, and creates one the first time. An e-mail
    /// address would not do: the provider may give it to somebody else.
    pub(crate) fn of_provider(&self, issuer: &str, subject: &str) -> i64 {
        let federated = Some((issuer.to_owned(), subject.to_owned()));
        let mut all = self.all();
        let known = all.iter().find(|(_, user)| user.federated == federated).map(|it| *it.0);
        known.unwrap_or_else(|| {
            // Not the name of a user who has a password.
            let name = format!("{subject} at {issuer}");
            insert(&mut all, User { name, federated, ..User::default() })
        })
    }

    /// Returns a user's id and passkeys.
    pub(crate) fn passkeys(&self, name: &str) -> Option<(i64, Vec<Passkey>)> {
        let all = self.all();
        let (id, user) = all.iter().find(|(_, user)| user.name == name)?;
        Some((*id, user.passkeys.iter().map(|known| known.passkey.clone()).collect()))
    }

    /// Returns a user's name, and the ids of their passkeys.
    pub(crate) fn registered(&self, id: i64) -> Option<(String, Vec<CredentialID>)> {
        let all = self.all();
        let user = all.get(&id)?;
        Some((user.name.clone(), user.passkeys.iter().map(|known| known.id().clone()).collect()))
    }

    /// Adds a passkey to a user. Returns `false` if anybody has one with its id: of two accounts
    /// with one id, a login could open the wrong one. In SQL, the id is `UNIQUE`.
    pub(crate) fn add_passkey(&self, id: i64, passkey: Passkey) -> bool {
        let mut all = self.all();
        let known = { all.values() }
            .flat_map(|user| &user.passkeys)
            .any(|known| known.id() == passkey.cred_id());
        match all.get_mut(&id) {
            Some(user) if !known => {
                user.passkeys.push(KnownPasskey { passkey, counter: 0 });
                true
            }
            _ => false,
        }
    }

    /// Removes a user's passkeys, such as those of a device that was lost. A login that has begun
    /// with one of them does not end with it.
    pub fn remove_passkeys(&self, id: i64) {
        if let Some(user) = self.all().get_mut(&id) {
            user.passkeys.clear();
        }
    }

    /// Records that a passkey has signed. Returns `false` if it is not the user's any more, or if
    /// its counter has not grown since its last login: then it has a copy. In SQL: `UPDATE passkeys
    /// SET counter = $3 WHERE id = $2 AND user_id = $1 AND (counter < $3 OR counter = 0 AND $3 =
    /// 0)`.
    pub(crate) fn use_passkey(&self, id: i64, result: &AuthenticationResult) -> bool {
        let (mut all, counter) = (self.all(), result.counter());
        let passkeys = all.get_mut(&id).into_iter().flat_map(|user| &mut user.passkeys);
        let mut own = passkeys.filter(|known| known.id() == result.cred_id());
        match own.next() {
            Some(known) if known.counter < counter || (known.counter, counter) == (0, 0) => {
                known.counter = counter;
                known.passkey.update_credential(result);
                true
            }
            _ => false,
        }
    }
}

fn insert(all: &mut HashMap<i64, User>, user: User) -> i64 {
    let id = i64::try_from(all.len()).unwrap_or(i64::MAX) + 1;
    all.insert(id, user);
    id
}
