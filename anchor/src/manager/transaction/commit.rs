//! The commit of a [`SessionTransaction`]. It goes on until the database has answered, whether
//! anybody still waits for it or not: only then is it known what has happened to the sessions.

use std::any::type_name;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{SessionTransaction, Stage, broken, in_time};
use crate::error::StoreError;
use crate::jitter;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::sql::{SqlStore, Transactions};

/// How much longer a cut-off reaches than its commit may take.
const MARGIN: Duration = Duration::from_secs(1);

/// How far ahead a cut-off is recorded at most: a store may have no timeout.
const FURTHEST: Duration = Duration::from_secs(60 * 60);

/// The approximate pause before a cut-off is settled again for the first time. Each further pause
/// is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who waits for a commit, until they have been told.
type Answer = oneshot::Sender<Result<(), Error>>;

/// Returns how far ahead a cut-off is recorded. Until the commit, a login still finds the old
/// password, so the cut-off must not be earlier than the commit. The statement that records it and
/// the commit may each take as long as the timeout.
pub(super) fn ahead(timeout: Duration) -> Duration {
    timeout.saturating_mul(2).saturating_add(MARGIN).min(FURTHEST)
}

impl<T: SessionData, D: Transactions> SessionTransaction<T, D> {
    pub(super) async fn run_commit(mut self, answer: Answer) {
        let timeout = self.sessions.store.timeout();
        let prepared = match self.stage {
            Stage::Broken => Err(broken()),
            Stage::Sound => in_time(timeout, "commit", self.prepare(ahead(timeout))).await,
        };
        if let Err(error) = prepared {
            // It is undone before anybody hears of it. Nobody may wait for the answer any more.
            drop(self);
            let _ = answer.send(Err(error.into()));
            return;
        }
        let Self { sessions, store, transaction, effects, cut_off: subjects, .. } = self;
        #[cfg(feature = "cache")]
        let changing = self.changing;
        let mut answer = Some(answer);
        let mut commit = std::pin::pin!(transaction.commit());
        let committed = match tokio::time::timeout(timeout, &mut commit).await {
            Ok(committed) => committed,
            Err(_) => {
                // It may have happened: they look.
                #[cfg(feature = "cache")]
                if let Some(changing) = &changing {
                    changing.in_doubt();
                }
                effects.wake(&sessions);
                let _ = answer.take().map(|answer| answer.send(Err(in_doubt(timeout).into())));
                commit.await
            }
        };
        if let Err(error) = committed {
            #[cfg(feature = "cache")]
            drop(changing);
            effects.wake(&sessions);
            return tell::<T>(answer, Err(store.ended(&error).into()));
        }
        let mut settling = Settling { store, subjects, committed: Instant::now() };
        #[cfg(feature = "cache")]
        if let Some(changing) = changing {
            changing.done().await;
        }
        let published = effects.publish(&sessions).await;
        if let Err(error) = in_time(timeout, "cut_off", settling.settle()).await {
            tracing::warn!(
                target: "anchor", payload = type_name::<T>(),
                "the logins of a subject that was cut off are refused for up to {:?}, unless this \
                 is repeated with success: {error}", ahead(timeout)
            );
            settling.settle_later(&sessions);
        }
        tell::<T>(answer, published);
    }

    /// Does what has to be done right before the commit.
    async fn prepare(&mut self, ahead: Duration) -> Result<(), StoreError> {
        self.store.within(self.transaction.parts().0).check_mark().await?;
        for subject in &self.cut_off {
            self.store.within(self.transaction.parts().0).cut_off_again(subject, ahead).await?;
        }
        #[cfg(feature = "cache")]
        if let Some(changing) = &self.changing {
            let messages = changing.messages();
            if !messages.is_empty() {
                self.store.within(self.transaction.parts().0).notify(messages).await?;
            }
        }
        Ok(())
    }
}

/// Tells who waits for the commit, or the log if they were told that nobody knows yet.
fn tell<T>(answer: Option<Answer>, outcome: Result<(), Error>) {
    if let Some(answer) = answer {
        let _ = answer.send(outcome);
        return;
    }
    let payload = type_name::<T>();
    match outcome {
        Ok(()) => tracing::info!(
            target: "anchor", payload, "a commit that took longer than `store_timeout` succeeded"
        ),
        Err(error) => tracing::warn!(
            target: "anchor", payload,
            "a commit that took longer than `store_timeout` ended with: {error}"
        ),
    }
}

fn in_doubt(timeout: Duration) -> StoreError {
    StoreError::unavailable(format!(
        "the commit of a transaction takes longer than the {timeout:?} of `store_timeout`, so it \
         is not known whether it will succeed. It goes on: once the database has answered, its \
         events are reported. Before you run the transaction again, look whether it has happened"
    ))
}

/// The cut-offs of a transaction that has committed. They are recorded ahead, and have to be set to
/// the time of the commit, so that logins that begin after it are let in.
struct Settling<T: SessionData, D: Transactions> {
    store: SqlStore<D, T>,
    subjects: Vec<T::Subject>,
    committed: Instant,
}

impl<T: SessionData, D: Transactions> Settling<T, D> {
    /// Settles those that are left.
    async fn settle(&mut self) -> Result<(), StoreError> {
        while let Some(subject) = self.subjects.last() {
            self.store.settle_cut_off(subject, self.committed.elapsed()).await?;
            self.subjects.pop();
        }
        Ok(())
    }

    /// Settles those that are left in a separate task, until it succeeds or the manager shuts down.
    fn settle_later(mut self, sessions: &Arc<Sessions<T>>) {
        let (stopping, timeout) = (sessions.tasks.stopping(), sessions.store.timeout());
        let settling = async move {
            let mut pause = FIRST_PAUSE;
            loop {
                tokio::time::sleep(jitter::around(pause)).await;
                match in_time(timeout, "cut_off", self.settle()).await {
                    Ok(()) => return,
                    Err(_) => pause = (2 * pause).min(LONGEST_PAUSE),
                }
            }
        };
        sessions.tasks.spawn(async move {
            stopping.run_until_cancelled(settling).await;
        });
    }
}
