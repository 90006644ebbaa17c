//! [`Sweeper`]: the task that removes ended rows.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::jitter;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;

/// The maximum number of rows that one statement of the sweep removes, so that it never locks many
/// rows for long, and requests do not wait long for the database.
const BATCH: u32 = 32;

/// How many times as long as it has worked the sweep rests, so that most of the time is the
/// requests'. `benches/run scale sweep` measures what is left to them.
const REST: u32 = 4;

/// The longest rest. Where a batch takes long because the database is far away, the sweep must
/// still keep up with the logins.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// The shortest pause between two sweeps. Even with an interval of zero, the store is not asked
/// without a pause.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// The task that removes ended rows, returned by
/// [`SessionManager::run_sweeper`](crate::SessionManager::run_sweeper). Dropping it stops the task.
/// So does [`SessionManager::shutdown`](crate::SessionManager::shutdown), or dropping the last
/// clone of the manager.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::manager::Sweeper;
/// use std::time::Duration;
///
/// struct Application {
///     sessions: SessionManager<UserSession>,
///     _sweeper: Sweeper,
/// }
///
/// fn start(sessions: SessionManager<UserSession>) -> Application {
///     let _sweeper = sessions.run_sweeper(Duration::from_secs(300));
///     Application { sessions, _sweeper }
/// }
/// ```
#[must_use = "dropping the sweeper stops it: keep it as long as the application runs"]
#[derive(Debug)]
pub struct Sweeper {
    task: JoinHandle<()>,
}

impl Sweeper {
    pub(crate) fn start<T: SessionData>(sessions: &Arc<Sessions<T>>, interval: Duration) -> Self {
        let sweeping = run(Arc::downgrade(sessions), interval);
        let stopping = sessions.tasks.stopping();
        // A sweep may stop half way: the next one continues.
        let task = sessions.tasks.spawn(async move {
            stopping.run_until_cancelled(sweeping).await;
        });
        Self { task }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run<T: SessionData>(sessions: Weak<Sessions<T>>, interval: Duration) {
    let mut pause = jitter::around(interval);
    loop {
        tokio::time::sleep(pause.max(SHORTEST_PAUSE)).await;
        // It is not kept during the pause, so that the task ends with the manager.
        let Some(sessions) = sessions.upgrade() else { return };
        let began = Instant::now();
        pause = match sessions.sweep(BATCH).await {
            Ok(removed) if removed == u64::from(BATCH) => {
                (REST * began.elapsed()).min(LONGEST_REST)
            }
            Ok(_) => jitter::around(interval),
            Err(error) => {
                tracing::warn!(
                    target: "anchor", "the sweep failed and will be tried again later: {error}"
                );
                jitter::around(interval)
            }
        };
    }
}
