//! How nodes hear of one another, by a channel that breaks on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anchor::StoreError;
use anchor::prelude::*;
use anchor::store::{Notices, StoreFuture, Subscription};
use anchor_tests::Watched;
use http::StatusCode;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, timeout};

use crate::application::{LONG, Node, PATIENCE, UserSession};

/// A channel in this process.
#[derive(Clone)]
struct Line(Arc<State>);

struct State {
    sender: broadcast::Sender<Option<String>>,
    /// Messages are accepted, and reach nobody.
    is_mute: AtomicBool,
    refuses_messages: AtomicBool,
    refuses_subscribers: AtomicBool,
    subscribers: AtomicUsize,
    sent: std::sync::Mutex<Vec<String>>,
}

impl Line {
    fn new() -> Self {
        Self(Arc::new(State {
            sender: broadcast::channel(64).0,
            is_mute: AtomicBool::default(),
            refuses_messages: AtomicBool::default(),
            refuses_subscribers: AtomicBool::default(),
            subscribers: AtomicUsize::default(),
            sent: std::sync::Mutex::default(),
        }))
    }

    /// Two nodes on this line, over the same rows.
    async fn nodes(&self) -> [Node; 2] {
        let rows: Arc<dyn SessionStore<UserSession>> = Arc::new(MemoryStore::new());
        [self.node(&rows).await, self.node(&rows).await]
    }

    async fn node(&self, rows: &Arc<dyn SessionStore<UserSession>>) -> Node {
        let store = Watched::new(Arc::clone(rows)).connected_by(Arc::new(self.clone()));
        Node::over(store, |sessions| sessions.cache(LONG)).await.ready().await
    }

    fn break_off(&self) {
        self.0.refuses_subscribers.store(true, Ordering::SeqCst);
        self.0.sender.send(None).unwrap();
    }

    fn subscribers(&self) -> usize {
        self.0.subscribers.load(Ordering::SeqCst)
    }

    /// What was sent since the last call, without greetings.
    fn sent(&self) -> Vec<String> {
        let mut sent = std::mem::take(&mut *self.0.sent.lock().unwrap());
        sent.retain(|message| !message.contains("hello"));
        sent
    }
}

impl Notices for Line {
    fn publish(&self, message: String) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if self.0.refuses_messages.load(Ordering::SeqCst) {
                return Err(StoreError::unavailable("the line is cut"));
            }
            self.0.sent.lock().unwrap().push(message.clone());
            if !self.0.is_mute.load(Ordering::SeqCst) {
                let _ = self.0.sender.send(Some(message));
            }
            Ok(())
        })
    }

    fn subscribe(&self) -> StoreFuture<'_, Box<dyn Subscription>> {
        Box::pin(async move {
            if self.0.refuses_subscribers.load(Ordering::SeqCst) {
                return Err(StoreError::unavailable("the line is cut"));
            }
            self.0.subscribers.fetch_add(1, Ordering::SeqCst);
            let listening = Listening(self.0.sender.subscribe(), self.clone());
            Ok(Box::new(listening) as Box<dyn Subscription>)
        })
    }
}

struct Listening(broadcast::Receiver<Option<String>>, Line);

impl Subscription for Listening {
    fn next(&mut self) -> StoreFuture<'_, String> {
        Box::pin(async move {
            let message = self.0.recv().await.map_err(StoreError::unavailable)?;
            message.ok_or_else(|| StoreError::unavailable("the line is cut"))
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.1.0.subscribers.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn what_changes_on_one_node_is_seen_on_the_other() {
    let [one, two] = Line::new().nodes().await;
    let cookie = one.log_in_warm("ferris").await;
    two.warm(&cookie).await;
    one.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK);
    soon("the change arrives", async || {
        two.get("/visits").cookie(&cookie).send().await.text() == "1"
    })
    .await;
    for way in 0..3 {
        let cookie = one.log_in_warm("ferris").await;
        two.warm(&cookie).await;
        match way {
            0 => one.log_out(&cookie).await,
            1 => drop(one.sessions.revoke_subject(&"ferris".into()).await.unwrap()),
            _ => drop(one.sessions.revoke_everyone().await.unwrap()),
        }
        soon("the end arrives", async || two.me(&cookie).await.status != StatusCode::OK).await;
    }
}

#[tokio::test]
async fn messages_name_what_changed_and_nothing_else_is_said() {
    let line = Line::new();
    let [one, _two] = line.nodes().await;
    line.sent();
    let cookie = one.log_in_warm("ferris").await;
    let id = one.id(&cookie).await;
    assert_eq!(line.sent(), [""; 0], "a login and a use are nobody's business");
    one.log_out(&cookie).await;
    one.sessions.revoke_subject(&"ferris".into()).await.unwrap();
    one.sessions.revoke_everyone().await.unwrap();
    let sent = line.sent();
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(sent[0].ends_with(&format!(" session={id}")), "{sent:?}");
    assert!(sent[1].contains(" subject=") && !sent[1].contains("ferris"), "{sent:?}");
    assert!(sent[2].ends_with(" everyone"), "{sent:?}");
    assert!(sent.iter().all(|message| message.is_ascii() && message.len() <= 200));
}

#[tokio::test]
async fn a_node_that_hears_nothing_reads_the_store() {
    let line = Line::new();
    let [one, two] = line.nodes().await;
    let cookie = one.log_in_warm("ferris").await;
    let unasked = one.log_in_warm("gray").await;
    two.warm(&cookie).await;
    two.warm(&unasked).await;
    line.break_off();
    soon("it notices", async || two.loads_for("/me", &cookie, StatusCode::OK).await == 1).await;
    one.log_out(&cookie).await;
    one.log_out(&unasked).await;
    for _ in 0..3 {
        two.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
    let other = one.log_in("corro").await;
    for _ in 0..3 {
        assert_eq!(two.loads_for("/me", &other, StatusCode::OK).await, 1);
    }
    line.0.refuses_subscribers.store(false, Ordering::SeqCst);
    two.warm(&other).await;
    two.me(&unasked).await.expect(StatusCode::UNAUTHORIZED);
}

/// Otherwise, what it had loaded would be served once it hears again.
#[tokio::test]
async fn a_load_that_began_before_a_node_heard_nothing_leaves_nothing() {
    let line = Line::new();
    let [one, two] = line.nodes().await;
    let cookie = one.log_in("ferris").await;
    let other = one.log_in("corro").await;
    two.warm(&other).await;
    let hold = two.store.hold_answer_of_next_load();
    let meanwhile = async {
        hold.reached().await;
        line.break_off();
        soon("it notices", async || two.loads_for("/me", &other, StatusCode::OK).await == 1).await;
        one.log_out(&cookie).await;
        line.0.refuses_subscribers.store(false, Ordering::SeqCst);
        two.warm(&other).await;
        hold.release();
    };
    let (early, ()) = tokio::join!(two.me(&cookie), meanwhile);
    early.expect(StatusCode::OK);
    two.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

/// As behind a pooler that passes on everything except notifications.
#[tokio::test]
async fn a_line_on_which_nothing_arrives_keeps_the_cache_off() {
    let line = Line::new();
    let [one, two] = line.nodes().await;
    let cookie = one.log_in_warm("ferris").await;
    two.warm(&cookie).await;
    line.0.is_mute.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let noticed = async {
        while two.loads_for("/me", &cookie, StatusCode::OK).await == 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(3 * PATIENCE, noticed).await.expect("it notices");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(two.loads_for("/me", &cookie, StatusCode::OK).await, 1, "it stays off");
}

#[tokio::test]
async fn a_logout_succeeds_although_nobody_is_told() {
    let line = Line::new();
    let [one, two] = line.nodes().await;
    let cookie = one.log_in_warm("ferris").await;
    two.warm(&cookie).await;
    line.0.refuses_messages.store(true, Ordering::SeqCst);
    one.log_out(&cookie).await;
    one.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    two.get("/authoritative").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_call_that_was_dropped_is_told_as_well() {
    use anchor_tests::Verb;

    let line = Line::new();
    let [one, _two] = line.nodes().await;
    let cookie = one.log_in_warm("ferris").await;
    let id = one.id(&cookie).await;
    line.sent();
    let hold = one.store.hold(Verb::Revoke);
    let dropped = timeout(Duration::from_millis(50), one.sessions.revoke(id)).await;
    assert!(dropped.is_err(), "it is held");
    hold.release();
    soon("it is told", async || line.sent().len() == 1).await;
}

#[tokio::test]
async fn nobody_listens_after_the_manager_or_its_shutdown() {
    let line = Line::new();
    let [one, two] = line.nodes().await;
    assert_eq!(line.subscribers(), 2);
    let cookie = one.log_in_warm("ferris").await;
    assert_eq!(one.sessions.shutdown().await, 0);
    assert_eq!(line.subscribers(), 1, "a shutdown waits for the listener");
    for _ in 0..3 {
        assert_eq!(one.loads_for("/me", &cookie, StatusCode::OK).await, 1);
    }
    assert_eq!(line.subscribers(), 1);
    drop(two);
    soon("the listener ends with its manager", async || line.subscribers() == 0).await;
}
