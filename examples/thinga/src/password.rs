//! Passwords: Argon2id, by the crate `password-auth`, on threads of their own.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// One place for each processor. A hash needs 19 MiB of memory, so many logins at once wait here,
/// and not in memory. More at a time would not be done sooner.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(2, NonZero::get)));

async fn in_a_place<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, JoinError> {
    // Nobody closes it, so this waits for a place and finds one.
    let place = PLACES.acquire().await.ok();
    spawn_blocking(move || {
        // Until it is done, even if the request is not there any more.
        let _place = place;
        work()
    })
    .await
}

/// The shortest password, in characters. Length is what counts (OWASP ASVS 5.0 6.2.1), so nothing
/// else is asked for.
pub(crate) const SHORTEST: usize = 12;
/// The longest one, so that nobody makes the server hash a book.
const LONGEST: usize = 256;

/// Says what is wrong with a new password, if anything.
pub(crate) fn fault(password: &str, email: &str, name: &str) -> Option<&'static str> {
    let length = password.chars().count();
    let lower = password.to_lowercase();
    if length < SHORTEST {
        Some("The password is too short: take at least 12 characters.")
    } else if length > LONGEST {
        Some("The password is too long: take at most 256 characters.")
    } else if lower == email.to_lowercase() || lower == name.to_lowercase() {
        Some("The password must not be your name or your address.")
    } else {
        None
    }
}

/// Returns the hash of a new password.
pub(crate) async fn hash(password: String) -> Result<String, JoinError> {
    in_a_place(move || password_auth::generate_hash(password)).await
}

/// Returns whether this is the password of the hash. Without a hash, it takes as long, so that the
/// time does not tell who has an account.
pub(crate) async fn is_right(password: String, hash: Option<String>) -> Result<bool, JoinError> {
    static NOBODY: LazyLock<String> =
        LazyLock::new(|| password_auth::generate_hash("nobody has this password"));
    in_a_place(move || {
        let known = hash.is_some();
        let hash = hash.as_deref().unwrap_or(&NOBODY);
        password_auth::verify_password(password, hash).is_ok() && known
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn nobody_has_no_password() {
        assert!(!is_right("nobody has this password".into(), None).await.unwrap());
        let hash = hash("correct horse".into()).await.unwrap();
        assert!(is_right("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!is_right("wrong horse".into(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn no_more_hashes_at_a_time_than_processors() {
        static AT_WORK: AtomicUsize = AtomicUsize::new(0);
        let places = available_parallelism().unwrap().get();
        let work = || {
            let others = AT_WORK.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            AT_WORK.fetch_sub(1, Ordering::SeqCst);
            others
        };
        let all: Vec<_> = (0..4 * places).map(|_| tokio::spawn(in_a_place(work))).collect();
        for one in all {
            assert!(one.await.unwrap().unwrap() < places);
        }
    }

    #[test]
    fn a_password_is_long_and_not_the_account_itself() {
        assert!(fault("elevenchars", "a@example.com", "A").is_some());
        assert!(fault(&"x".repeat(257), "a@example.com", "A").is_some());
        assert!(fault("Ferris@Example.com", "ferris@example.com", "Ferris").is_some());
        assert_eq!(fault("tweldve chars", "a@example.com", "A"), None);
    }
}
