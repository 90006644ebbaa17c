//! `create`: one `INSERT`, which concurrent logins share. A login that replaces a session, or whose
//! subject has a limit, runs its own `INSERT`, in one transaction with the statements that end
//! other sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::column::Value;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{DecodeError, LimitExceeded, SessionData, SubjectLimit};
use crate::schema::{Dialect, system};
use crate::store::gather::{Batch, Gather, Outcome};
use crate::store::keyed_mutex::{KeyedMutex, KeyedMutexGuard};
use crate::store::{ClientInfo, Created, EndReason, NewSession, Record, Replaced};
use crate::timestamp::Timestamp;

use super::super::database::{Database, run_again_after_deadlock};
use super::super::driver::Driver;
use super::super::expressions::{after, least, reported, returning, write_as};
use super::super::row::{Cells, NOW};
use super::super::statement::{Argument, Arguments, Query, Statement};
use super::super::storable;
use super::super::subject_lock::SubjectLock;
use super::super::table::{SqlTable, micros, subject_argument};
use super::end::{End, EndRows};

const PARAMETERS: [&str; 11] = [
    "id",
    "lasting",
    "secret",
    "began_at",
    "since",
    "idle",
    "absolute",
    "remembered",
    "ip",
    "user_agent",
    "fingerprint",
];

/// How many rows a statement can insert. There are few sizes, so that a connection prepares few
/// different statements.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// How many bytes of payloads rows may have that share a statement. A server refuses what is too
/// large: MariaDB 16 MB (`max_allowed_packet`).
const LARGEST_BYTES: usize = 1024 * 1024;

pub(in super::super) struct Create {
    insert: Statement<11>,
    /// Selects the database's current time; `None` if the payload has no cut-offs.
    now: Option<Statement<0>>,
    /// Selects the ids of a subject's live sessions, oldest first; `None` if the payload has no
    /// subject.
    live_ids: Option<Statement<1>>,
    end_replaced: EndRows<3>,
    end_overflow: EndRows<2>,
    /// Queues the logins that have to count their subject's sessions.
    logins: Arc<KeyedMutex<SubjectLock>>,
}

impl Create {
    pub(super) fn new(table: &SqlTable) -> Self {
        let SqlTable { name, now, schema, .. } = table;
        let cut_off = schema.options.cut_off;
        Self {
            insert: table.statement(&insert(table, 1), PARAMETERS),
            now: cut_off.then(|| table.statement(&format!("SELECT {}", table.instant(now)), [])),
            live_ids: table.of_subject().map(|of_subject| {
                let live = table.live();
                let text = format!(
                    "SELECT id FROM {name} WHERE {of_subject} AND {live} ORDER BY created_at, id"
                );
                table.statement(&text, ["subject"])
            }),
            end_replaced: End::proven(table),
            end_overflow: End::by_id(table),
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
            (Some(limit), Some(subject)) => self.limit_check::<D, T>(subject, limit).await?,
            _ => None,
        };
        let began_at = match new.began {
            Some(began) => self.not_after(database, began).await?,
            None => None,
        };
        let since = new.began.map_or(0, |began| micros(began.elapsed()));
        let client = new.client.as_ref();
        let row = Arguments {
            named: [
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
            ],
            payload,
        };
        let (created_at, ended) = if new.replaces.is_none() && limit_check.is_none() {
            (inserts.get(row).await?, Vec::new())
        } else {
            let insert = self.insert.with_rows(vec![row]);
            let login = Login { create: self, replaces: new.replaces, limit_check, insert };
            let outcome = run_again_after_deadlock!(database, login.run(&database.pool))?;
            match outcome {
                LoginOutcome::Written { created_at, ended } => (created_at, ended),
                LoginOutcome::Full => return Ok(Created::SubjectFull),
            }
        };
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
        let record = Record {
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
        };
        Ok(Created::Session { record, ended })
    }

    /// Returns an instant of the database's clock that is not after `began`. The time that the
    /// database takes to answer is counted against the login, so that no cut-off is missed. Returns
    /// `None` if there are no cut-offs.
    async fn not_after<D: Driver>(
        &self,
        database: &Database<D>,
        began: Instant,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Some(now) = &self.now else { return Ok(None) };
        let rows = database.rows(now.with([])).await?;
        // Both clocks are truncated to microseconds.
        let passed = began.elapsed() + Duration::from_micros(1);
        match rows.first().map(|row| Cells::<D>::from_start(row).read::<Timestamp>(NOW)) {
            Some(Ok(now)) => Ok(Some(now.saturating_sub(passed))),
            _ => Err(StoreError::unavailable("the database did not report its time")),
        }
    }

    /// Waits for this login's turn on this node, and returns what the login needs to check its
    /// subject's limit. Returns `None` if no session can have this subject.
    ///
    /// The database makes the logins of other nodes wait, each on a connection. On this node they
    /// wait without a connection. Otherwise the logins of one subject could take all connections.
    async fn limit_check<D: Driver, T: SessionData>(
        &self,
        subject: &T::Subject,
        limit: SubjectLimit,
    ) -> Result<Option<LimitCheck>, StoreError> {
        let (Some(live_ids), Some(subject)) =
            (&self.live_ids, subject_argument::<T>(D::DIALECT, subject)?)
        else {
            return Ok(None);
        };
        let lock = SubjectLock::of(T::schema().table, &subject.value);
        Ok(Some(LimitCheck {
            lock,
            _queued: self.logins.lock(lock).await,
            live_ids: live_ids.with([subject]),
            limit,
        }))
    }
}

/// The insertions of one store that run outside a transaction, and share a statement.
pub(in super::super) struct Inserts<D> {
    database: Database<D>,
    /// One for each of [`SIZES`].
    inserts: [Statement<11>; SIZES.len()],
}

impl<D: Driver> Inserts<D> {
    pub(in super::super) fn new(database: Database<D>) -> Self {
        let table = SqlTable::new(D::DIALECT, database.schema);
        let inserts = SIZES.map(|size| table.statement(&insert(&table, size), PARAMETERS));
        Self { database, inserts }
    }

    /// Inserts rows with one statement, and returns for each row when it was created.
    async fn insert(&self, rows: Vec<Arguments<11>>) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let count = rows.len();
        let Some(size) = SIZES.iter().position(|size| *size == count) else {
            return Err(StoreError::unavailable("no statement inserts this many rows"));
        };
        let ids: Vec<_> = rows.iter().map(|row| row.named[0].value.clone()).collect();
        let insert = self.inserts[size].with_rows(rows);
        if D::DIALECT == Dialect::MySql {
            return Ok(vec![self.database.instant(insert).await?; count]);
        }
        // A trigger can leave a row out: then that row is not among those that are returned.
        let inserted = self.database.rows(insert).await?;
        let mut created_at = HashMap::with_capacity(count);
        for row in &inserted {
            let (at, id) = inserted_row::<D>(row).map_err(StoreError::unavailable)?;
            created_at.insert(id, at);
        }
        let created_at = |id: &Value| match id {
            Value::Uuid(id) => created_at.get(&SessionId::from_uuid(*id)).copied(),
            _ => None,
        };
        Ok(ids.iter().map(created_at).collect())
    }
}

/// Reads what an insertion returns.
fn inserted_row<D: Driver>(row: &D::Row) -> Result<(Timestamp, SessionId), DecodeError> {
    let mut cells = Cells::<D>::from_start(row);
    Ok((cells.read("created_at")?, cells.id()?))
}

impl<D: Driver> Batch for Inserts<D> {
    type Item = Arguments<11>;

    /// When the row was created; `None` if the database did not report it.
    type Answer = Option<Timestamp>;

    fn size(waiting: usize) -> usize {
        let fits = SIZES.iter().rev().find(|size| **size <= waiting);
        fits.copied().unwrap_or(1)
    }

    type Kept = ();

    async fn run_alone(&self, row: Arguments<11>) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.insert(vec![row]).await?.pop().flatten())
    }

    async fn run(
        &self,
        rows: Vec<Arguments<11>>,
        (): &mut (),
    ) -> Vec<Outcome<Arguments<11>, Option<Timestamp>>> {
        let bytes: usize = rows.iter().flat_map(|row| &row.payload).map(length).sum();
        let is_one = rows.len() == 1;
        if bytes > LARGEST_BYTES && !is_one {
            return rows.into_iter().map(Outcome::RunAlone).collect();
        }
        match self.insert(rows.clone()).await {
            Ok(created_at) => created_at.into_iter().map(|at| Outcome::Answered(Ok(at))).collect(),
            // One row may be the cause. If each row is inserted alone, only that row fails.
            Err(error) if error.is_refusal() && !is_one => {
                rows.into_iter().map(Outcome::RunAlone).collect()
            }
            Err(error) => rows.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect(),
        }
    }
}

/// Returns the length of a value in bytes, if it may be long.
fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Returns the text that inserts this many rows, and reports the time.
fn insert(table: &SqlTable, rows: usize) -> String {
    let (names, first): (Vec<_>, Vec<_>) = written(table, 0).into_iter().unzip();
    let mut values = vec![first];
    values.extend(
        (1..rows).map(|row| written(table, row).into_iter().map(|(_, value)| value).collect()),
    );
    let values: Vec<_> =
        values.into_iter().map(|values: Vec<String>| format!("({})", values.join(", "))).collect();
    format!(
        "INSERT INTO {} ({}) VALUES {}{}",
        table.name,
        names.join(", "),
        values.join(", "),
        returning(table.dialect, "created_at, id"),
    )
}

/// Returns the columns of a new row, and their values.
fn written(table: &SqlTable, row: usize) -> Vec<(String, String)> {
    let SqlTable { dialect, schema, now, .. } = table;
    let (dialect, extras) = (*dialect, schema.options);
    let parameter = |name: &str| format!(":{name}@{row}");
    let deadline = after(dialect, now, &parameter("absolute"));
    let authenticated_at = if extras.cut_off {
        let began = write_as(dialect, &system("created_at"), &parameter("began_at"));
        format!("COALESCE({began}, {now})")
    } else {
        after(dialect, now, &parameter("since"))
    };
    let idle_expiry = after(dialect, now, &parameter("idle"));
    let mut columns: Vec<(String, String)> = [
        ("id", parameter("id")),
        ("lasting_hash", parameter("lasting")),
        ("secret_hash", parameter("secret")),
        ("created_at", reported(dialect, now)),
        ("authenticated_at", authenticated_at),
        ("last_seen_at", (*now).into()),
        ("expires_at", least(dialect, &idle_expiry, &deadline)),
        ("deadline", deadline),
        ("version", "1".into()),
        ("remembered", parameter("remembered")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut extra = |wanted: bool, name: &str, value: String| {
        columns.extend(wanted.then(|| (name.to_owned(), value)));
    };
    extra(extras.keep_ended, "status", "'active'".into());
    extra(extras.track, "ip_address", parameter("ip"));
    extra(extras.track, "user_agent", parameter("user_agent"));
    extra(extras.fingerprint, "fingerprint", parameter("fingerprint"));
    let payload = schema.columns.iter().enumerate();
    columns.extend(payload.map(|(index, column)| {
        let value = write_as(dialect, column, &parameter(&format!("p{index}")));
        (dialect.reference(column.name), value)
    }));
    columns
}

/// What a login needs to check its subject's limit.
struct LimitCheck {
    /// The lock that the logins of this subject wait for.
    lock: SubjectLock,
    /// Held while the login has a connection. The subject's other logins on this node wait without
    /// a connection.
    _queued: KeyedMutexGuard<SubjectLock>,
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
    insert: Query,
}

/// The outcome of a [`Login`].
enum LoginOutcome {
    Written { created_at: Option<Timestamp>, ended: Vec<SessionId> },
    Full,
}

impl Login<'_> {
    async fn run<D: Driver>(&self, pool: &D) -> Result<LoginOutcome, sqlx::Error> {
        let lock = self.limit_check.as_ref().map(|limit_check| limit_check.lock);
        let mut transaction = pool.begin(lock).await?;
        let outcome = self.enter::<D>(&mut transaction).await?;
        match &outcome {
            LoginOutcome::Written { .. } => D::commit(transaction).await?,
            LoginOutcome::Full => D::rollback(transaction).await?,
        }
        Ok(outcome)
    }

    async fn enter<D: Driver>(
        &self,
        connection: &mut D::Connection,
    ) -> Result<LoginOutcome, sqlx::Error> {
        let Create { end_replaced: EndRows { live, rest }, end_overflow, .. } = self.create;
        if let Some(Replaced { id, proof }) = self.replaces {
            let arguments =
                || [id.into(), EndReason::Replaced.as_str().into(), proof.into()] as [Argument; 3];
            if D::execute_on(connection, &live.with(arguments())).await? == 0 {
                D::execute_on(connection, &rest.with(arguments())).await?;
            }
        }
        let mut ended = Vec::new();
        if let Some(limit_check) = &self.limit_check {
            let live = D::rows_on(connection, &limit_check.live_ids).await?;
            let max = usize::try_from(limit_check.limit.max.get()).unwrap_or(usize::MAX);
            let overflowing = (live.len() + 1).saturating_sub(max);
            if overflowing > 0 && limit_check.limit.overflow == LimitExceeded::Refuse {
                return Ok(LoginOutcome::Full);
            }
            for row in live.into_iter().take(overflowing) {
                let Ok(id) = Cells::<D>::from_start(&row).id() else {
                    return Err(sqlx::Error::Protocol("an id is not a UUID".into()));
                };
                let end =
                    end_overflow.live.with([id.into(), EndReason::LimitExceeded.as_str().into()]);
                if D::execute_on(connection, &end).await? > 0 {
                    ended.push(id);
                }
            }
        }
        let created_at = D::instant_on(connection, &self.insert).await?;
        Ok(LoginOutcome::Written { created_at, ended })
    }
}
