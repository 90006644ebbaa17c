//! Does what a plan says, on two nodes, and records it.

use std::sync::Arc;
use std::time::Instant;

use anchor::SessionId;
use anchor::payload::SubjectLimit;
use anchor::store::SessionStore;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

use super::history::{Answer, Call, FIRST_SECRET, History, Recorded, Session, Subject};
use super::payload::Numbered;
use super::plan::{Deed, Held, Pause, Plan, Planned};
use super::view::{Names, View};

/// The store of a node.
pub type Node<T> = Arc<dyn SessionStore<T>>;

/// What the tasks of a history share.
pub(super) struct Scene<T> {
    nodes: [Node<T>; 2],
    pub(super) limit: Option<SubjectLimit>,
    pub(super) names: Names,
    /// What any task was answered last of each session.
    latest: Vec<watch::Sender<Known>>,
    pub(super) start: Instant,
}

/// What is known of a session.
#[derive(Clone, Copy)]
enum Known {
    /// Its creation has not been answered.
    Nothing,
    /// It was not created, as far as anybody knows.
    NotCreated,
    View(View),
}

/// Runs the tasks of a plan at once. Afterwards each node looks at everything.
pub(super) async fn record<T: Numbered>(nodes: &[Node<T>; 2], plan: Plan) -> History {
    let place = |id: SessionId, subject| {
        let placement = nodes[0].placement(&T::numbered(subject, 0));
        placement.map_or(id, |placement| id.placed(placement))
    };
    let Plan { subjects, limit, sessions, tasks } = plan;
    let names = Names::new(subjects, &sessions, place);
    let latest = sessions.iter().map(|_| watch::Sender::new(Known::Nothing)).collect();
    let (nodes, start) = (nodes.clone(), Instant::now());
    let scene = Arc::new(Scene { nodes, limit, names, latest, start });
    let barrier = Arc::new(Barrier::new(tasks.len()));
    let first: Arc<[Subject]> = sessions.into();
    let (count, mut running) = (tasks.len(), JoinSet::new());
    for (task, planned) in tasks.into_iter().enumerate() {
        let (barrier, mut actor) = (Arc::clone(&barrier), Actor::new(&scene, &first, task));
        running.spawn(async move {
            barrier.wait().await;
            for planned in &planned {
                actor.act(planned).await;
            }
            actor.recorded
        });
    }
    let mut calls = Vec::new();
    while let Some(task) = running.join_next().await {
        calls.extend(task.expect("no task panics"));
    }
    for node in 0..2 {
        let mut actor = Actor::new(&scene, &first, count + node);
        for session in 0..first.len() {
            actor.load(session).await;
        }
        for subject in 0..subjects {
            actor.list(subject).await;
        }
        calls.extend(actor.recorded);
    }
    let limit = limit.map(|limit| limit.max.get() as usize);
    History { sessions: first.len(), limit, calls }
}

/// A task.
pub(super) struct Actor<T> {
    pub(super) scene: Arc<Scene<T>>,
    /// The subject that each session is created with.
    pub(super) first: Arc<[Subject]>,
    task: usize,
    node: usize,
    /// What it was answered last of each session.
    own: Vec<Option<View>>,
    recorded: Vec<Recorded>,
}

impl Pause {
    pub(super) async fn pass(self) {
        match self {
            Pause::None => {}
            Pause::Yields(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
            Pause::Sleep(span) => tokio::time::sleep(span).await,
        }
    }
}

impl<T: Numbered> Actor<T> {
    fn new(scene: &Arc<Scene<T>>, first: &Arc<[Subject]>, task: usize) -> Self {
        let own = vec![None; first.len()];
        let (scene, first) = (Arc::clone(scene), Arc::clone(first));
        Self { scene, first, task, node: task % 2, own, recorded: Vec::new() }
    }

    pub(super) fn store(&self) -> Node<T> {
        Arc::clone(&self.scene.nodes[self.node])
    }

    /// Makes a call. Nothing of it may have begun.
    pub(super) async fn record(
        &mut self,
        call: Call,
        answer: impl Future<Output = Answer>,
    ) -> &Answer {
        let called = self.scene.start.elapsed();
        let answer = answer.await;
        let answered = self.scene.start.elapsed();
        let (task, node) = (self.task, self.node);
        self.recorded.push(Recorded { task, node, called, answered, call, answer });
        &self.recorded[self.recorded.len() - 1].answer
    }

    /// What this task holds of a session, once that is created; `None` if it is not.
    pub(super) async fn view(&self, session: Session, held: Held) -> Option<View> {
        let mut latest = self.scene.latest[session].subscribe();
        let is_known = |known: &Known| !matches!(known, Known::Nothing);
        let known = *latest.wait_for(is_known).await.expect("the scene is there");
        let Known::View(latest) = known else { return None };
        Some(match held {
            Held::Own => self.own[session].unwrap_or(latest),
            Held::Latest => latest,
            Held::FirstSecret => View { secret: FIRST_SECRET, ..latest },
        })
    }

    pub(super) fn remember(&mut self, session: Session, view: View) {
        self.own[session] = Some(view);
        self.scene.latest[session].send_replace(Known::View(view));
    }

    /// Remembers that a session was not created, as far as anybody knows.
    pub(super) fn give_up(&mut self, session: Session) {
        self.scene.latest[session].send_replace(Known::NotCreated);
    }

    async fn act(&mut self, Planned { pause, number, deed }: &Planned) {
        pause.pass().await;
        let number = *number;
        match *deed {
            Deed::Create { session, began, replaces } => {
                self.create(number, session, began, replaces).await;
            }
            Deed::RevokeSubject(subject) => self.revoke_subject(subject).await,
            Deed::RevokeOthers { subject, keep } => self.revoke_others(subject, keep).await,
            Deed::CutOff(subject) => self.cut_off(subject).await,
            Deed::List(subject) => self.list(subject).await,
            Deed::Load(session)
            | Deed::Update { session, .. }
            | Deed::Touch { session, .. }
            | Deed::RecordUse { session, .. }
            | Deed::Rotate { session, .. }
            | Deed::Reauthenticate { session, .. }
            | Deed::Consume { session, .. }
            | Deed::Revoke { session, .. }
            | Deed::RevokeOf { session, .. } => self.act_on(number, session, deed).await,
        }
    }

    /// Nobody has the token of a session that was not created: that is only looked up.
    async fn act_on(&mut self, number: u32, session: Session, deed: &Deed) {
        let held = match deed {
            Deed::Update { held, .. }
            | Deed::Touch { held, .. }
            | Deed::RecordUse { held, .. }
            | Deed::Rotate { held, .. }
            | Deed::Reauthenticate { held, .. }
            | Deed::Consume { held, .. } => *held,
            _ => Held::Latest,
        };
        let Some(view) = self.view(session, held).await else {
            return self.load(session).await;
        };
        match *deed {
            Deed::Update { heir, differs, .. } => {
                self.update(number, session, view, heir, differs).await;
            }
            Deed::Touch { presents, .. } => self.touch(number, session, view, presents).await,
            Deed::RecordUse { .. } => self.record_use(number, session, view).await,
            Deed::Rotate { old, grace, .. } => {
                self.rotate(number, session, view, old, grace).await;
            }
            Deed::Reauthenticate { old, grace, .. } => {
                self.reauthenticate(number, session, view, old, grace).await;
            }
            Deed::Consume { .. } => self.consume(session, view).await,
            Deed::Revoke { proof, reason, .. } => self.revoke(session, proof, reason).await,
            Deed::RevokeOf { subject, .. } => self.revoke_of(subject, session).await,
            _ => self.load(session).await,
        }
    }
}
