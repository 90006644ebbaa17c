//! [`Storm`]: users who log in and out all the time, and what is left when it was interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchor_tests::http::Served;
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::application::{LoggedIn, try_log_in};

const USERS: usize = 8;

/// How long something that was interrupted may take to answer again.
const RECOVERY: Duration = Duration::from_secs(20);

/// What users were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Their login was answered, and they have stayed.
    pub(crate) live: Vec<LoggedIn>,
    /// Their logout was answered with 2xx.
    pub(crate) ended: Vec<LoggedIn>,
    /// They have logged out, and the answer was 503, or there was none.
    pub(crate) unanswered: Vec<LoggedIn>,
}

impl Told {
    pub(crate) fn extend(&mut self, other: Told) {
        self.live.extend(other.live);
        self.ended.extend(other.ended);
        self.unanswered.extend(other.unanswered);
    }
}

pub(crate) struct Storm {
    stop: Arc<AtomicBool>,
    users: JoinSet<Told>,
}

impl Storm {
    /// Logs out those in stock, and from then on somebody in and somebody out, by this path.
    pub(crate) fn begin(served: &Arc<Served>, logout: &'static str, stock: Vec<LoggedIn>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut users = JoinSet::new();
        let mut shares = vec![Vec::new(); USERS];
        for (at, session) in stock.into_iter().enumerate() {
            shares[at % USERS].push(session);
        }
        for (number, share) in shares.into_iter().enumerate() {
            users.spawn(user(Arc::clone(served), number, logout, share, Arc::clone(&stop)));
        }
        Self { stop, users }
    }

    /// Lets it end.
    pub(crate) async fn end(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        let mut told = Told::default();
        self.users.join_all().await.into_iter().for_each(|user| told.extend(user));
        told
    }
}

async fn user(
    served: Arc<Served>,
    number: usize,
    logout: &'static str,
    mut stock: Vec<LoggedIn>,
    stop: Arc<AtomicBool>,
) -> Told {
    let name = format!("user{number}");
    let mut told = Told::default();
    while !stop.load(Ordering::SeqCst) {
        let leaving = match stock.pop() {
            Some(leaving) => leaving,
            None => match try_log_in(&served, &name).await {
                Ok(leaving) => leaving,
                Err(_) => {
                    sleep(Duration::from_millis(5)).await;
                    continue;
                }
            },
        };
        match served.post(logout).cookie(&leaving.cookie).try_send().await {
            Some(answer) if answer.status.is_success() => told.ended.push(leaving),
            Some(answer) => {
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
                told.unanswered.push(leaving);
            }
            None => told.unanswered.push(leaving),
        }
        told.live.extend(try_log_in(&served, &name).await);
    }
    told.live.extend(stock);
    told
}

/// What users were told, and how much of it was not true afterwards.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) logins: usize,
    pub(crate) logouts: usize,
    pub(crate) unanswered: usize,
    /// Logouts that were answered with 2xx, and whose session lives.
    pub(crate) undone: usize,
    /// Logins that were answered, and whose session is gone.
    pub(crate) lost: usize,
    /// Logouts that were not answered with 2xx, and whose session lives.
    pub(crate) not_done: usize,
}

impl Verdict {
    /// Looks at each session. A logout that was not answered is repeated, and then true.
    pub(crate) async fn judge(&mut self, served: &Arc<Served>, told: &Told) {
        self.logins += told.live.len();
        self.logouts += told.ended.len();
        self.unanswered += told.unanswered.len();
        self.undone += live_among(served, &told.ended).await;
        self.lost += told.live.len() - live_among(served, &told.live).await;
        self.not_done += live_among(served, &told.unanswered).await;
        for session in &told.unanswered {
            let again = served.post("/logout").cookie(&session.cookie).send().await;
            again.expect(StatusCode::NO_CONTENT);
        }
        assert_eq!(live_among(served, &told.unanswered).await, 0, "a repeated logout");
    }
}

/// How many of these sessions are live.
pub(crate) async fn live_among(served: &Arc<Served>, sessions: &[LoggedIn]) -> usize {
    let mut asking = JoinSet::new();
    for share in sessions.chunks(sessions.len().div_ceil(USERS).max(1)) {
        let (served, share) = (Arc::clone(served), share.to_vec());
        asking.spawn(async move {
            let mut live = 0;
            for session in share {
                live += usize::from(is_live(&served, &session).await);
            }
            live
        });
    }
    asking.join_all().await.into_iter().sum()
}

/// Asks until there is an answer other than 503.
pub(crate) async fn is_live(served: &Served, session: &LoggedIn) -> bool {
    let began = Instant::now();
    loop {
        let answer = served.get("/me").cookie(&session.cookie).try_send().await;
        match answer.as_ref().map(|answer| answer.status) {
            Some(StatusCode::OK) => return true,
            Some(StatusCode::UNAUTHORIZED) => return false,
            Some(StatusCode::SERVICE_UNAVAILABLE) | None => {}
            Some(_) => panic!("{answer:?}"),
        }
        assert!(began.elapsed() < RECOVERY, "it does not answer again");
        sleep(Duration::from_millis(10)).await;
    }
}
