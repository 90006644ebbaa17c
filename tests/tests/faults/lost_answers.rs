//! A connection that is cut at any moment of a logout, before or after the server has carried the
//! end out: never 2xx while the session lives, a repeated logout gives the right answer, and the
//! next request works.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anchor::SessionId;
use anchor::store::{Load, SessionStore};
use anchor_tests::{Backend, Direction, Loss, Proxy};
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::application::{Application, Builder, LoggedIn, UserSession, log_in, me};

on_every_server![
    a_logout_whose_connection_is_cut_anywhere_is_503_or_true,
    a_logout_that_falls_silent_anywhere_is_503_or_true,
    logouts_that_share_a_statement_are_503_or_true_wherever_it_is_cut,
    a_handler_that_does_not_look_at_the_answer_is_found_by_the_same_cuts;
    not_in_a_cluster: a_connection_that_hangs_delays_one_request,
    lookups_after_one_whose_connection_is_cut_work,
];

/// How long a call of the store may take when nothing answers it.
pub(crate) const BOUND: Duration = Duration::from_millis(1_500);

/// More pieces than any request sends.
const MOST: usize = 100;

/// After how many attempts that were not cut none will be. Pieces that follow one another may
/// arrive as one.
const MISSES: usize = 3;

/// Where a connection is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) loss: Loss,
    direction: Direction,
    after: usize,
}

/// An application whose connections can be cut.
pub(crate) struct Behind {
    pub(crate) app: Application,
    /// Where the application's pool is.
    backend: Backend,
    proxy: Proxy,
    /// The same rows, over connections that are never cut.
    pub(crate) direct: Arc<dyn SessionStore<UserSession>>,
}

impl Deref for Behind {
    type Target = Application;

    fn deref(&self) -> &Application {
        &self.app
    }
}

impl Behind {
    /// With a pool of one connection, each attempt finds the same statements prepared.
    pub(crate) async fn start(
        backend: &Backend,
        connections: u32,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let direct = backend.store().await;
        let (backend, proxy) = backend.behind_a_proxy(connections).expect("a connection to cut");
        let app = Application::over(backend.store().await, configure).await;
        Self { app, backend, proxy, direct }
    }

    /// Whether a session is live, asked past the proxy.
    pub(crate) async fn is_live(&self, id: SessionId) -> bool {
        matches!(self.direct.load(id).await.unwrap(), Load::Live(_))
    }

    /// Begins with a fault, when nothing passes any more of what came before.
    pub(crate) async fn lose(&self, cut: Cut) {
        let began = Instant::now();
        while self.backend.connections_in_use() > 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "a connection is never returned");
            sleep(Duration::from_millis(1)).await;
        }
        self.proxy.lose(cut.direction, cut.after, cut.loss);
    }

    /// Ends the fault, and returns whether it has happened.
    pub(crate) fn heal(&self) -> bool {
        self.proxy.heal()
    }
}

/// Makes an attempt with a cut at its first piece, at the second one, and so on, until the cut
/// comes too late for it. An attempt returns whether it was cut.
pub(crate) async fn at_every_cut(losses: &[Loss], mut attempt: impl AsyncFnMut(Cut) -> bool) {
    for &loss in losses {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (mut cuts, mut misses) = (0, 0);
            for after in 0.. {
                match attempt(Cut { loss, direction, after }).await {
                    true => cuts += 1,
                    false => misses += 1,
                }
                if misses == MISSES {
                    break;
                }
                assert!(after < MOST, "{loss:?}, {direction:?}: it never ends");
            }
            assert!(cuts > 0, "{loss:?}, {direction:?}: nothing was ever cut");
        }
    }
}

/// How logouts ended whose connection was cut.
#[derive(Debug, Default)]
struct Outcomes {
    /// 2xx, and the session lives.
    false_claims: usize,
    /// 503, and the session lives.
    not_done: usize,
    /// 503, and the session has ended: the answer was lost.
    done: usize,
}

impl Outcomes {
    /// Logs in, logs out while the connection is cut, and once more when it works.
    async fn meet(&mut self, behind: &Behind, path: &str, cut: Cut) -> bool {
        let session = log_in(behind, "ferris").await;
        behind.lose(cut).await;
        let answer = behind.post(path).cookie(&session.cookie).send().await;
        let was_cut = behind.heal();
        let lives = behind.is_live(session.id).await;
        match (answer.status.is_success(), lives) {
            (true, lives) => self.false_claims += usize::from(lives),
            (false, lives) => {
                assert!(was_cut, "{cut:?}: {answer:?}");
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{cut:?}");
                assert!(answer.set_cookies().is_empty(), "{cut:?}: {answer:?}");
                *if lives { &mut self.not_done } else { &mut self.done } += 1;
            }
        }
        let again = behind.post("/logout-by-auth").cookie(&session.cookie).send().await;
        let again = again.expect(StatusCode::OK);
        // What was held may have been carried out since.
        if cut.loss != Loss::Silence {
            assert_eq!(again.text(), lives.to_string(), "{cut:?}");
        }
        assert!(!behind.is_live(session.id).await, "{cut:?}");
        assert_eq!(me(behind, &session).await, StatusCode::UNAUTHORIZED, "{cut:?}");
        was_cut
    }

    /// At every cut of these kinds.
    async fn of(behind: &Behind, path: &str, losses: &[Loss]) -> Self {
        let mut outcomes = Self::default();
        at_every_cut(losses, async |cut| outcomes.meet(behind, path, cut).await).await;
        outcomes
    }
}

async fn a_logout_whose_connection_is_cut_anywhere_is_503_or_true(backend: Backend) {
    let behind = Behind::start(&backend, 1, |sessions| sessions).await;
    for path in ["/logout", "/logout-by-auth"] {
        let losses = [Loss::OneConnection, Loss::EveryConnection];
        let outcomes = Outcomes::of(&behind, path, &losses).await;
        assert_eq!(outcomes.false_claims, 0, "{path}: {outcomes:?}");
        assert!(outcomes.not_done > 0 && outcomes.done > 0, "{path}: {outcomes:?}");
    }
}

async fn a_logout_that_falls_silent_anywhere_is_503_or_true(backend: Backend) {
    let behind = Behind::start(&backend, 1, |sessions| sessions.store_timeout(BOUND)).await;
    let outcomes = Outcomes::of(&behind, "/logout", &[Loss::Silence]).await;
    assert_eq!(outcomes.false_claims, 0, "{outcomes:?}");
    assert!(outcomes.not_done + outcomes.done > 0, "{outcomes:?}");
}

/// Neither side learns that the connection is dead, as when a machine has lost its power, or a
/// router has forgotten the connection.
async fn a_connection_that_hangs_delays_one_request(backend: Backend) {
    let behind = Behind::start(&backend, 4, |sessions| sessions.store_timeout(BOUND)).await;
    at_every_cut(&[Loss::OneHangs], async |cut| {
        let session = log_in(&behind, "ferris").await;
        behind.lose(cut).await;
        let logout = behind.post("/logout").cookie(&session.cookie).send().await;
        match logout.status {
            StatusCode::NO_CONTENT => assert!(!behind.is_live(session.id).await, "{cut:?}"),
            status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{cut:?}"),
        }
        let hangs = behind.proxy.has_lost();
        let again = behind.post("/logout").cookie(&session.cookie).send().await;
        assert_eq!(again.status, StatusCode::NO_CONTENT, "{cut:?}");
        assert!(!behind.is_live(session.id).await, "{cut:?}");
        assert_eq!(me(&behind, &session).await, StatusCode::UNAUTHORIZED, "{cut:?}");
        behind.heal();
        hangs
    })
    .await;
}

/// Lookups that share a statement wait for the one before it, and then have its connection, unless
/// that was cut.
async fn lookups_after_one_whose_connection_is_cut_work(backend: Backend) {
    let (backend, proxy) = backend.behind_a_proxy(4).expect("a connection to cut");
    let store = backend.store::<UserSession>().await;
    let look = || {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.load(SessionId::from_uuid(Uuid::nil())).await.is_ok() })
    };
    at_every_cut(&[Loss::OneConnection], async |cut| {
        // One has its own statement, and the next one shares it with nobody who comes later.
        proxy.delay(Duration::from_millis(20));
        let _alone = look();
        sleep(Duration::from_millis(5)).await;
        let first = look();
        sleep(Duration::from_millis(5)).await;
        let second = look();
        proxy.lose(cut.direction, cut.after, cut.loss);
        let worked = (first.await.unwrap(), second.await.unwrap());
        assert_ne!(worked, (false, false), "{cut:?}");
        proxy.heal()
    })
    .await;
}

async fn a_handler_that_does_not_look_at_the_answer_is_found_by_the_same_cuts(backend: Backend) {
    let behind = Behind::start(&backend, 1, |sessions| sessions).await;
    let outcomes = Outcomes::of(&behind, "/careless-logout", &[Loss::EveryConnection]).await;
    assert!(outcomes.false_claims > 0, "{outcomes:?}");
}

/// Eight logouts at the same time: one has its own statement, the others share one, which is a
/// transaction on MySQL.
async fn logouts_that_share_a_statement_are_503_or_true_wherever_it_is_cut(backend: Backend) {
    let behind = Arc::new(Behind::start(&backend, 4, |sessions| sessions).await);
    at_every_cut(&[Loss::OneConnection, Loss::EveryConnection], async |cut| {
        let mut sessions = Vec::new();
        for _ in 0..8 {
            sessions.push(log_in(&behind, "ferris").await);
        }
        behind.lose(cut).await;
        let mut logouts = JoinSet::new();
        for session in sessions {
            let behind = Arc::clone(&behind);
            logouts.spawn(async move {
                let logout = behind.post("/logout").cookie(&session.cookie).send().await;
                (session, logout.status)
            });
        }
        let answers: Vec<(LoggedIn, StatusCode)> = logouts.join_all().await;
        let was_cut = behind.heal();
        for (session, status) in &answers {
            match *status {
                StatusCode::NO_CONTENT => assert!(!behind.is_live(session.id).await, "{cut:?}"),
                status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{cut:?}"),
            }
        }
        for (session, _) in &answers {
            let again = behind.post("/logout").cookie(&session.cookie).send().await;
            again.expect(StatusCode::NO_CONTENT);
            assert!(!behind.is_live(session.id).await, "{cut:?}");
        }
        was_cut
    })
    .await;
}
