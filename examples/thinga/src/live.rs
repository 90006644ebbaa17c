//! The leaderboard as it changes, for all live pages of this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::database::things::Standing;

/// How often it looks for votes that another process has counted.
const LOOK: Duration = Duration::from_secs(5);
/// How long it waits after each look, so that many votes cost one.
const REST: Duration = Duration::from_secs(1);

/// The newest leaderboard. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    voted: Arc<Notify>,
    standings: watch::Receiver<Arc<Vec<Standing>>>,
    // Ends the task with the last clone.
    _task: Arc<Task>,
}

#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Live {
    /// Reads the leaderboard, and keeps it up to date.
    pub(crate) async fn start(database: Database) -> Result<Self, sqlx::Error> {
        let (sender, standings) = watch::channel(Arc::new(database.standings().await?));
        let voted = Arc::new(Notify::new());
        let hint = Arc::clone(&voted);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(REST).await;
                // Either a vote of this process, or the time to look for those of others.
                let _ = tokio::time::timeout(LOOK, hint.notified()).await;
                match database.standings().await {
                    Ok(now) => {
                        sender.send_if_modified(|before| {
                            let differs = **before != now;
                            if differs {
                                *before = Arc::new(now);
                            }
                            differs
                        });
                    }
                    Err(error) => tracing::warn!("the leaderboard stays as it was: {error}"),
                }
            }
        });
        Ok(Self { voted, standings, _task: Arc::new(Task(task)) })
    }

    /// Says that a vote was counted.
    pub(crate) fn voted(&self) {
        self.voted.notify_one();
    }

    /// Returns the newest leaderboard, which may be some seconds old.
    pub(crate) fn standings(&self) -> Arc<Vec<Standing>> {
        Arc::clone(&self.standings.borrow())
    }

    /// Returns what tells of the next ones.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Vec<Standing>>> {
        let mut standings = self.standings.clone();
        standings.mark_unchanged();
        standings
    }
}
