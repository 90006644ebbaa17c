//! [`Crowd`]: users who log in on one node, read and write on two, and log out on either. Each
//! looks at once whether what it was answered is true on the other node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchor_tests::http::{Answer, Served};
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub(crate) const USERS: usize = 8;

/// How many sessions each user has that it never ends.
const KEPT: usize = 3;

/// A user's session, and what it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    cookie: String,
    /// How many visits were answered.
    counted: i64,
    /// How many were not, and may have been counted or not.
    unanswered: i64,
}

/// What a crowd was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Those who have logged in, and stayed.
    pub(crate) live: Vec<Visit>,
    /// Their logout was answered with 2xx.
    pub(crate) ended: Vec<String>,
    pub(crate) requests: usize,
    /// How many requests were answered with 503, or not at all.
    pub(crate) unavailable: usize,
    /// What was not true.
    pub(crate) broken: Vec<String>,
}

impl Told {
    pub(crate) fn extend(&mut self, other: Told) {
        self.live.extend(other.live);
        self.ended.extend(other.ended);
        self.requests += other.requests;
        self.unavailable += other.unavailable;
        self.broken.extend(other.broken);
    }

    /// What is to be printed.
    pub(crate) fn summary(&self) -> String {
        let Self { live, ended, requests, unavailable, broken } = self;
        let (live, ended, broken) = (live.len(), ended.len(), broken.len());
        format!(
            "{requests} requests, {unavailable} unavailable, {ended} answered logouts, {live} \
             live, {broken} broken promises"
        )
    }
}

/// What users do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// How they log out.
    pub(crate) logout: &'static str,
    /// How long after the answer of a logout another node may serve the session.
    pub(crate) lease: Duration,
    /// Whether sessions and visits may be lost: nobody has promised them. Logouts may not.
    pub(crate) may_lose: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self { logout: "/logout", lease: Duration::ZERO, may_lose: false }
    }
}

pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    /// Whether users also end the sessions that they have kept.
    tidy: Arc<AtomicBool>,
    users: JoinSet<Told>,
}

impl Crowd {
    pub(crate) fn gather(nodes: &[Arc<Served>; 2], habits: Habits) -> Self {
        let [stop, tidy] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let mut users = JoinSet::new();
        for number in 0..USERS {
            let (nodes, stop, tidy) = (nodes.clone(), Arc::clone(&stop), Arc::clone(&tidy));
            users.spawn(async move {
                let mut user = User { nodes, number, habits, told: Told::default() };
                user.stay().await;
                let mut round = number;
                while !stop.load(Ordering::SeqCst) {
                    if tidy.load(Ordering::SeqCst)
                        && let Some(kept) = user.told.live.pop()
                    {
                        user.log_out(round, kept.cookie).await;
                    }
                    user.come_and_go(round).await;
                    round += 1;
                }
                user.told
            });
        }
        Self { stop, tidy, users }
    }

    /// From now on, users also end the sessions that they have kept.
    pub(crate) fn tidy_up(&self) {
        self.tidy.store(true, Ordering::SeqCst);
    }

    /// Lets everybody finish.
    pub(crate) async fn leave(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        let mut told = Told::default();
        self.users.join_all().await.into_iter().for_each(|user| told.extend(user));
        told
    }
}

pub(crate) fn name(number: usize) -> String {
    format!("user{number}")
}

struct User {
    nodes: [Arc<Served>; 2],
    number: usize,
    habits: Habits,
    told: Told,
}

impl User {
    /// Sends a request. `None` if the answer says nothing.
    async fn ask(&mut self, node: usize, path: &str, cookie: &str) -> Option<Answer> {
        let served = &self.nodes[node % 2];
        let request = match path.starts_with("/visits") {
            true => served.get(path),
            false => served.post(path),
        };
        let answer = request.cookie(cookie).try_send().await;
        self.told.requests += 1;
        let answer = answer.filter(|answer| answer.status != StatusCode::SERVICE_UNAVAILABLE);
        if answer.is_none() {
            self.told.unavailable += 1;
            // As a client that tries again later.
            sleep(Duration::from_millis(5)).await;
        }
        answer
    }

    async fn log_in(&mut self, node: usize) -> Option<Visit> {
        let answer = self.ask(node, &format!("/login/{}", name(self.number)), "").await?;
        match answer.status {
            StatusCode::OK => Some(Visit { cookie: answer.cookie(), counted: 0, unanswered: 0 }),
            _ => {
                self.told.broken.push(format!("a login: {answer:?}"));
                None
            }
        }
    }

    /// Logs in, and does not log out.
    async fn stay(&mut self) {
        while self.told.live.len() < KEPT {
            if let Some(visit) = self.log_in(self.number).await {
                self.told.live.push(visit);
            }
        }
    }

    async fn come_and_go(&mut self, round: usize) {
        let Some(mut visit) = self.log_in(round).await else { return };
        for node in [round + 1, round] {
            visit.unanswered += 1;
            if let Some(answer) = self.ask(node, "/visit", &visit.cookie).await {
                visit.unanswered -= 1;
                visit.counted += 1;
                self.check(&mut visit, "a visit", &answer);
            }
            self.read(&mut visit, node + 1).await;
        }
        if let Some(mut old) = self.told.live.get(round % KEPT).cloned() {
            self.read(&mut old, round).await;
            self.told.live[round % KEPT] = old;
        }
        if !self.habits.lease.is_zero() {
            // So that the other node has it in its cache.
            self.ask(round + 1, "/visits", &visit.cookie).await;
        }
        self.log_out(round, visit.cookie).await;
    }

    async fn log_out(&mut self, node: usize, cookie: String) {
        let other = node + 1;
        match self.ask(node, self.habits.logout, &cookie).await {
            Some(answer) if answer.status == StatusCode::NO_CONTENT => {
                // Whoever has asked the store no longer looks into the cache.
                if self.habits.lease.is_zero() || node.is_multiple_of(2) {
                    self.assert_ended(other, "/visits-now", &cookie).await;
                }
                sleep(self.habits.lease).await;
                self.assert_ended(other, "/visits", &cookie).await;
                self.told.ended.push(cookie);
            }
            // The session has been lost before.
            Some(_) if self.habits.may_lose => {}
            Some(answer) => self.told.broken.push(format!("a logout: {answer:?}")),
            None => {}
        }
    }

    /// Reads the visits. A lease may be older than the last one.
    async fn read(&mut self, visit: &mut Visit, node: usize) {
        let path = if self.habits.lease.is_zero() { "/visits" } else { "/visits-now" };
        if let Some(answer) = self.ask(node, path, &visit.cookie.clone()).await {
            self.check(visit, "a read", &answer);
        }
    }

    /// Whether an answer knows of all that was answered before.
    fn check(&mut self, visit: &mut Visit, what: &str, answer: &Answer) {
        if self.habits.may_lose
            && matches!(answer.status, StatusCode::OK | StatusCode::UNAUTHORIZED)
        {
            return;
        }
        let visits = (answer.status == StatusCode::OK).then(|| answer.text().parse::<i64>());
        let Some(Ok(visits)) = visits else {
            self.told.broken.push(format!("{what} of {visit:?}: {answer:?}"));
            return;
        };
        let possible = visit.counted..=visit.counted + visit.unanswered;
        if !possible.contains(&visits) {
            self.told.broken.push(format!("{what}: {visits} visits, and not {possible:?}"));
        }
        // What has been seen once is not to disappear.
        visit.unanswered -= (visits - visit.counted).clamp(0, visit.unanswered);
        visit.counted = visits;
    }

    async fn assert_ended(&mut self, node: usize, path: &str, cookie: &str) {
        if let Some(answer) = self.ask(node, path, cookie).await
            && answer.status != StatusCode::UNAUTHORIZED
        {
            self.told.broken.push(format!("after a logout, {path}: {answer:?}"));
        }
    }
}

/// How many of these sessions are live. Asks until there is an answer other than 503.
pub(crate) async fn live_among(node: &Arc<Served>, cookies: Vec<String>, limit: Duration) -> usize {
    let mut asking = JoinSet::new();
    for share in cookies.chunks(cookies.len().div_ceil(USERS).max(1)) {
        let (node, share) = (Arc::clone(node), share.to_vec());
        asking.spawn(async move {
            let (mut live, began) = (0, Instant::now());
            for cookie in share {
                loop {
                    let answer = node.get("/visits-now").cookie(&cookie).try_send().await;
                    match answer.as_ref().map(|answer| answer.status) {
                        Some(StatusCode::OK) => break live += 1,
                        Some(StatusCode::UNAUTHORIZED) => break,
                        Some(StatusCode::SERVICE_UNAVAILABLE) | None => {}
                        Some(_) => panic!("{answer:?}"),
                    }
                    assert!(began.elapsed() < limit, "it does not answer again");
                    sleep(Duration::from_millis(10)).await;
                }
            }
            live
        });
    }
    asking.join_all().await.into_iter().sum()
}

/// Waits until each user can log in, write, read on the other node, and log out.
pub(crate) async fn until_everything_works(nodes: &[Arc<Served>; 2], limit: Duration) -> Duration {
    let began = Instant::now();
    for number in 0..USERS {
        let (nodes, told) = (nodes.clone(), Told::default());
        let habits = Habits { may_lose: true, ..Habits::default() };
        let mut user = User { nodes, number, habits, told };
        loop {
            user.stay().await;
            let before = (user.told.unavailable, user.told.ended.len());
            user.come_and_go(number).await;
            if (user.told.unavailable, user.told.ended.len()) == (before.0, before.1 + 1) {
                break;
            }
            assert!(began.elapsed() < limit, "{} cannot log in and out", name(number));
        }
        assert_eq!(user.told.broken, [""; 0]);
    }
    began.elapsed()
}

impl Told {
    /// How many sessions of those who have stayed are gone.
    pub(crate) async fn lost(&self, node: &Arc<Served>, limit: Duration) -> usize {
        let cookies: Vec<_> = self.live.iter().map(|visit| visit.cookie.clone()).collect();
        cookies.len() - live_among(node, cookies, limit).await
    }

    /// How many sessions live whose logout was answered.
    pub(crate) async fn undone(&self, node: &Arc<Served>, limit: Duration) -> usize {
        live_among(node, self.ended.clone(), limit).await
    }
}
