//! `create`: one `INSERT`, which concurrent logins share (`insert.rs`). A login that replaces a
//! session, or whose subject has a limit, runs its own `INSERT`, in one transaction with the
//! statements that end other sessions.

use std::sync::Arc;
use std::time::Duration;

use crate::column::Value;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{LimitExceeded, SessionData, SubjectLimit};
use crate::store::gather::Gather;
use crate::store::keyed_mutex::{KeyedMutex, KeyedMutexGuard};
use crate::store::{ClientInfo, Created, EndReason, NewSession, Record, Replaced};
use crate::timestamp::Timestamp;

use super::super::cluster::Cluster;
use super::super::database::{Database, run_again_after_deadlock};
use super::super::driver::Driver;
use super::super::expressions::for_update;
use super::super::row::Cells;
use super::super::runs::OnConnection;
use super::super::statement::{Argument, Arguments, Query, Statement};
use super::super::storable;
use super::super::subject_lock::SubjectLock;
use super::super::table::{SqlTable, micros, subject_argument};
use super::super::transactions::Transactions;
use super::beginning::Beginning;
use super::end::{End, EndRows};
use super::insert::{Inserts, PARAMETERS, insert};

pub(in super::super) struct Create {
    insert: Statement<11>,
    beginning: Beginning,
    /// Selects the ids of a subject's live sessions, oldest first; `None` if the payload has no
    /// subject.
    live_ids: Option<Statement<1>>,
    /// The same, and locks them, whatever the transaction has read before.
    locked_ids: Option<Statement<1>>,
    end_replaced: EndRows<3>,
    end_overflow: EndRows<2>,
    /// Removes the row that stood for a lock.
    unlock: Statement<1>,
    /// Queues the logins that have to count their subject's sessions.
    logins: Arc<KeyedMutex<SubjectLock>>,
}

impl Create {
    pub(super) fn new(table: &SqlTable) -> Self {
        let name = &table.name;
        let live_ids = |lock: &str| {
            let (of_subject, live) = (table.of_subject()?, table.live());
            let text = format!(
                "SELECT id FROM {name} WHERE {of_subject} AND {live} ORDER BY created_at, id{lock}"
            );
            Some(table.statement(&text, ["subject"]))
        };
        Self {
            insert: table.statement(&insert(table, 1), PARAMETERS),
            beginning: Beginning::new(table),
            live_ids: live_ids(""),
            locked_ids: live_ids(for_update(table.dialect)),
            end_replaced: End::proven(table),
            end_overflow: End::by_id(table),
            unlock: table.statement(&format!("DELETE FROM {name} WHERE id = :id"), ["id"]),
            logins: Arc::new(KeyedMutex::new()),
        }
    }

    pub(in super::super) async fn run<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        inserts: &Arc<Gather<Inserts<D>>>,
        new: NewSession<T>,
    ) -> Result<Created<T>, StoreError> {
        new.check()?;
        let payload = storable::encode(D::DIALECT, &*new.data)?;
        let limit_check = match (new.limit, new.data.subject()) {
            (Some(limit), Some(subject)) => {
                self.limit_check::<D, T>(database, subject, limit).await?
            }
            _ => None,
        };
        let began_at = self.beginning.of_login(database, &new).await?;
        let since = new.began.map_or(0, |began| micros(began.elapsed()));
        let row = row(&new, payload, began_at, since);
        let (created_at, ended) = if new.replaces.is_none() && limit_check.is_none() {
            (inserts.get(row).await?, Vec::new())
        } else {
            let cluster = database.cluster().await?;
            let row_lock = limit_check.as_ref().filter(|_| cluster.has_several_writers());
            let row_lock = row_lock.map(|limit_check| self.row_lock(limit_check.lock, &row));
            let insert = self.insert.with_rows(vec![row]);
            let login =
                Login { create: self, replaces: new.replaces, limit_check, row_lock, insert };
            let outcome = run_again_after_deadlock!(database, login.run(database, cluster))?;
            match outcome {
                LoginOutcome::Written { created_at, ended } => (created_at, ended),
                LoginOutcome::Full => return Ok(Created::SubjectFull),
            }
        };
        Ok(Created::Session { record: record(new, created_at, began_at, since)?, ended })
    }

    /// Creates a session in a transaction of the application's, and ends `others` in it as well.
    /// The locks that it takes are added to `locks`.
    pub(in super::super) async fn run_within<D: Transactions, T: SessionData>(
        &self,
        on: &mut OnConnection<'_, D>,
        new: NewSession<T>,
        others: &[Replaced],
        locks: &mut Vec<SubjectLock>,
    ) -> Result<Created<T>, StoreError> {
        new.check()?;
        let payload = storable::encode(D::DIALECT, &*new.data)?;
        let cluster = on.database.cluster().await?;
        let limit_check = match (new.limit, new.data.subject()) {
            (Some(limit), Some(subject)) => {
                self.limit_check_within::<D, T>(on, cluster, subject, limit, locks).await?
            }
            _ => None,
        };
        let began_at = self.beginning.of_login(&mut *on, &new).await?;
        let since = new.began.map_or(0, |began| micros(began.elapsed()));
        let row = row(&new, payload, began_at, since);
        let row_lock = limit_check.as_ref().filter(|_| cluster.has_several_writers());
        let row_lock = row_lock.map(|limit_check| self.row_lock(limit_check.lock, &row));
        let insert = self.insert.with_rows(vec![row]);
        let login = Login { create: self, replaces: new.replaces, limit_check, row_lock, insert };
        let outcome = async {
            for other in others {
                self.end_replaced::<D>(on.connection, *other).await?;
            }
            login.enter::<D>(on.connection).await
        };
        match outcome.await {
            Ok(LoginOutcome::Written { created_at, ended }) => {
                Ok(Created::Session { record: record(new, created_at, began_at, since)?, ended })
            }
            Ok(LoginOutcome::Full) => Ok(Created::SubjectFull),
            Err(error) => Err(on.failure(error).await),
        }
    }

    /// Takes the subject's lock in a transaction of the application's, and returns what the login
    /// needs to check its subject's limit.
    async fn limit_check_within<D: Transactions, T: SessionData>(
        &self,
        on: &mut OnConnection<'_, D>,
        cluster: Cluster,
        subject: &T::Subject,
        limit: SubjectLimit,
        locks: &mut Vec<SubjectLock>,
    ) -> Result<Option<LimitCheck>, StoreError> {
        let (Some(locked_ids), Some(subject)) =
            (&self.locked_ids, subject_argument::<T>(D::DIALECT, subject)?)
        else {
            return Ok(None);
        };
        match D::reads_committed(on.connection).await {
            Ok(true) => {}
            Ok(false) => {
                return Err(StoreError::unavailable(
                    "a login under a limit counts its subject's sessions, which needs the level \
                     READ COMMITTED: begin the transaction with `sessions.begin(&store)`",
                ));
            }
            Err(error) => return Err(on.failure(error).await),
        }
        let lock =
            SubjectLock::of(&on.database.pool.lock_space(), T::schema().table, &subject.value);
        if !cluster.has_several_writers() && !locks.contains(&lock) {
            // Whoever is dropped while it waits may have the lock.
            locks.push(lock);
            if let Err(error) = D::lock(on.connection, lock).await {
                return Err(on.failure(error).await);
            }
        }
        Ok(Some(LimitCheck { lock, _queued: None, live_ids: locked_ids.with([subject]), limit }))
    }

    /// Ends the session that a login replaces, if the proof belongs to it.
    async fn end_replaced<D: Driver>(
        &self,
        connection: &mut D::Connection,
        Replaced { id, proof }: Replaced,
    ) -> Result<(), sqlx::Error> {
        let EndRows { live, rest } = &self.end_replaced;
        let arguments =
            || [id.into(), EndReason::Replaced.as_str().into(), proof.into()] as [Argument; 3];
        if D::execute_on(connection, &live.with(arguments())).await? == 0 {
            D::execute_on(connection, &rest.with(arguments())).await?;
        }
        Ok(())
    }

    /// Returns the statements that keep the logins of a subject on other servers from committing:
    /// the first inserts this row under the id of the lock, and the second one deletes it.
    fn row_lock(&self, lock: SubjectLock, row: &Arguments<11>) -> [Query; 2] {
        let mut of_lock = row.clone();
        of_lock.named[0] = lock.row().into();
        [self.insert.with_rows(vec![of_lock]), self.unlock.with([lock.row().into()])]
    }

    /// Waits for this login's turn on this node, and returns what the login needs to check its
    /// subject's limit. Returns `None` if no session can have this subject.
    ///
    /// The database makes the logins of other nodes wait, each on a connection. On this node they
    /// wait without a connection. Otherwise the logins of one subject could take all connections.
    async fn limit_check<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        subject: &T::Subject,
        limit: SubjectLimit,
    ) -> Result<Option<LimitCheck>, StoreError> {
        let (Some(live_ids), Some(subject)) =
            (&self.live_ids, subject_argument::<T>(D::DIALECT, subject)?)
        else {
            return Ok(None);
        };
        let lock = SubjectLock::of(&database.pool.lock_space(), T::schema().table, &subject.value);
        Ok(Some(LimitCheck {
            lock,
            _queued: Some(self.logins.lock(lock).await),
            live_ids: live_ids.with([subject]),
            limit,
        }))
    }
}

/// Returns what the statement inserts.
fn row<T>(
    new: &NewSession<T>,
    payload: Vec<Value>,
    began_at: Option<Timestamp>,
    since: i64,
) -> Arguments<11> {
    let client = new.client.as_ref();
    let named = [
        new.id.into(),
        new.lasting.into(),
        new.secret.into(),
        began_at.into(),
        (-since).into(),
        micros(new.idle).into(),
        micros(new.absolute).into(),
        new.remembered.into(),
        client.and_then(ClientInfo::ip).into(),
        client.and_then(ClientInfo::user_agent).into(),
        new.fingerprint.into(),
    ];
    Arguments { named, payload }
}

/// Returns the session as it was inserted.
fn record<T: SessionData>(
    new: NewSession<T>,
    created_at: Option<Timestamp>,
    began_at: Option<Timestamp>,
    since: i64,
) -> Result<Record<T>, StoreError> {
    let created_at = created_at.ok_or_else(|| {
        StoreError::unavailable("the database did not report when the row was created")
    })?;
    // Adds the same durations as the statement, so the row does not have to be read again.
    let after = |span| created_at.saturating_add(Duration::from_micros(micros(span) as u64));
    let deadline = after(new.absolute);
    let extras = T::schema().options;
    let authenticated_at = if extras.cut_off {
        began_at.unwrap_or(created_at)
    } else {
        created_at.saturating_sub(Duration::from_micros(since as u64))
    };
    Ok(Record {
        id: new.id,
        created_at,
        authenticated_at,
        last_seen_at: created_at,
        expires_at: after(new.idle).min(deadline),
        deadline,
        version: 1,
        remembered: new.remembered,
        client: new.client.filter(|_| extras.track),
        data: new.data,
    })
}

/// What a login needs to check its subject's limit.
struct LimitCheck {
    /// The lock that the logins of this subject wait for.
    lock: SubjectLock,
    /// Held while the login has a connection. The subject's other logins on this node wait without
    /// a connection. `None` in a transaction of the application's, which has one.
    _queued: Option<KeyedMutexGuard<SubjectLock>>,
    /// The ids of the subject's live sessions, oldest first.
    live_ids: Query,
    limit: SubjectLimit,
}

/// A creation that ends other sessions, in one transaction. With a `limit_check`, no other login of
/// its subject runs at the same time.
struct Login<'a> {
    create: &'a Create,
    replaces: Option<Replaced>,
    limit_check: Option<LimitCheck>,
    /// If there is a `limit_check`, and other servers accept writes.
    row_lock: Option<[Query; 2]>,
    insert: Query,
}

/// The outcome of a [`Login`].
enum LoginOutcome {
    Written { created_at: Option<Timestamp>, ended: Vec<SessionId> },
    Full,
}

impl Login<'_> {
    async fn run<D: Driver>(
        &self,
        database: &Database<D>,
        cluster: Cluster,
    ) -> Result<LoginOutcome, sqlx::Error> {
        let lock = self.limit_check.as_ref().map(|limit_check| limit_check.lock);
        let mut transaction = database.pool.begin(lock, cluster).await?;
        let outcome = self.enter::<D>(&mut transaction).await;
        if let Ok(LoginOutcome::Full) = outcome {
            D::rollback(transaction).await?;
            return outcome;
        }
        D::end(transaction, outcome).await
    }

    async fn enter<D: Driver>(
        &self,
        connection: &mut D::Connection,
    ) -> Result<LoginOutcome, sqlx::Error> {
        if let Some(replaced) = self.replaces {
            self.create.end_replaced::<D>(connection, replaced).await?;
        }
        let mut ended = Vec::new();
        if !self.make_room::<D>(connection, &mut ended).await? {
            return Ok(LoginOutcome::Full);
        }
        if let Some([lock, unlock]) = &self.row_lock {
            // After the rows that end: the payload may have a unique value of one of them.
            D::execute_on(connection, lock).await?;
            D::execute_on(connection, unlock).await?;
            // From here on, a login of another server collides with this one.
            if !self.make_room::<D>(connection, &mut ended).await? {
                return Ok(LoginOutcome::Full);
            }
        }
        let created_at = D::instant_on(connection, &self.insert).await?;
        Ok(LoginOutcome::Written { created_at, ended })
    }

    /// Ends the sessions for which the subject's limit leaves no room. Returns `false` if the limit
    /// refuses the login instead.
    async fn make_room<D: Driver>(
        &self,
        connection: &mut D::Connection,
        ended: &mut Vec<SessionId>,
    ) -> Result<bool, sqlx::Error> {
        let Some(limit_check) = &self.limit_check else { return Ok(true) };
        let live = D::rows_on(connection, &limit_check.live_ids).await?;
        let max = usize::try_from(limit_check.limit.max.get()).unwrap_or(usize::MAX);
        let overflowing = (live.len() + 1).saturating_sub(max);
        if overflowing > 0 && limit_check.limit.overflow == LimitExceeded::Refuse {
            return Ok(false);
        }
        let end_overflow = &self.create.end_overflow.live;
        for row in live.into_iter().take(overflowing) {
            let Ok(id) = Cells::<D>::from_start(&row).id() else {
                return Err(sqlx::Error::Protocol("an id is not a UUID".into()));
            };
            let end = end_overflow.with([id.into(), EndReason::LimitExceeded.as_str().into()]);
            if D::execute_on(connection, &end).await? > 0 {
                ended.push(id);
            }
        }
        Ok(true)
    }
}
