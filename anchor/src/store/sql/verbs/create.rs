//! `create`: one `INSERT`; in a transaction with the ends that it brings about, where it replaces a
//! session or its subject has a limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{Overflow, SessionData, SubjectLimit};
use crate::schema::system;
use crate::store::turns::{Turn, Turns};
use crate::store::{Created, EndReason, NewSession, Origin, Record, Replaced};
use crate::timestamp::Timestamp;

use super::super::database::{Database, run_again_after_deadlock};
use super::super::driver::Driver;
use super::super::expressions::{after, least, reported, returning, write, write_as};
use super::super::fit;
use super::super::row::{Cells, NOW};
use super::super::statement::{Argument, Query, Statement};
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

pub(in super::super) struct Create {
    insert: Statement<11>,
    /// The database's now; `None` where the payload has no cut-offs.
    now: Option<Statement<0>>,
    /// The ids of a subject's live sessions, oldest first; `None` where the payload has no subject.
    live_ids: Option<Statement<1>>,
    end_replaced: EndRows<3>,
    end_overflow: EndRows<2>,
    /// Of logins that have to count their subject's sessions.
    turns: Arc<Turns<SubjectLock>>,
}

impl Create {
    pub(super) fn new(table: &SqlTable) -> Self {
        let SqlTable { name, now, schema, .. } = table;
        let cut_off = schema.extras.cut_off;
        Self {
            insert: table.statement(&insert(table), PARAMETERS),
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
            turns: Arc::new(Turns::new()),
        }
    }

    pub(in super::super) async fn run<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        new: NewSession<T>,
    ) -> Result<Created<T>, StoreError> {
        new.check()?;
        let payload = fit::encode(D::DIALECT, &*new.data)?;
        let room = match (new.limit, new.data.subject()) {
            (Some(limit), Some(subject)) => self.room::<D, T>(subject, limit).await?,
            _ => None,
        };
        let began_at = match new.began {
            Some(began) => self.not_after(database, began).await?,
            None => None,
        };
        let since = new.began.map_or(0, |began| micros(began.elapsed()));
        let origin = new.origin.as_ref();
        let insert = self.insert.with_payload(
            [
                new.id.into(),
                new.lasting.into(),
                new.secret.into(),
                began_at.into(),
                (-since).into(),
                micros(new.idle).into(),
                micros(new.absolute).into(),
                new.remembered.into(),
                origin.and_then(Origin::ip).into(),
                origin.and_then(Origin::user_agent).into(),
                new.fingerprint.into(),
            ],
            payload,
        );
        let (created_at, ended) = if new.replaces.is_none() && room.is_none() {
            (database.instant(insert).await?, Vec::new())
        } else {
            let login = Login { create: self, replaces: new.replaces, room, insert };
            let entered = run_again_after_deadlock!(database, login.run(&database.pool))?;
            match entered {
                Entered::Written { created_at, ended } => (created_at, ended),
                Entered::Full => return Ok(Created::SubjectFull),
            }
        };
        let created_at = created_at.ok_or_else(|| {
            StoreError::unavailable("the database did not say when the row was created")
        })?;
        // The same sums as the statement's own, so this is the row without reading it again.
        let after = |span| created_at.saturating_add(Duration::from_micros(micros(span) as u64));
        let deadline = after(new.absolute);
        let extras = T::schema().extras;
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
            origin: new.origin.filter(|_| extras.track),
            data: new.data,
        };
        Ok(Created::Session { record, ended })
    }

    /// An instant of the database's clock at which a login that began then had not begun yet: the
    /// time that the database's answer takes is counted against the login, so that no cut-off slips
    /// in between. `None` where there are no cut-offs.
    async fn not_after<D: Driver>(
        &self,
        database: &Database<D>,
        began: Instant,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Some(now) = &self.now else { return Ok(None) };
        let rows = database.rows(now.with([])).await?;
        // Both clocks cut what is below a microsecond off.
        let passed = began.elapsed() + Duration::from_micros(1);
        match rows.first().map(|row| Cells::<D>::from_start(row).instant(NOW)) {
            Some(Ok(now)) => Ok(Some(now.saturating_sub(passed))),
            _ => Err(StoreError::unavailable("the database did not say what time it is")),
        }
    }

    /// What a login of this subject makes room with, when it is this login's turn on this node;
    /// `None` where there can be no such session.
    ///
    /// The database makes logins of other nodes wait, on a connection. Here they wait without one,
    /// or one subject's logins would take them all.
    async fn room<D: Driver, T: SessionData>(
        &self,
        subject: &T::Subject,
        limit: SubjectLimit,
    ) -> Result<Option<Room>, StoreError> {
        let (Some(live_ids), Some(subject)) =
            (&self.live_ids, subject_argument::<T>(D::DIALECT, subject)?)
        else {
            return Ok(None);
        };
        let lock = SubjectLock::of(T::schema().table, &subject.value);
        Ok(Some(Room {
            lock,
            _turn: self.turns.take(lock).await,
            live_ids: live_ids.with([subject]),
            limit,
        }))
    }
}

fn insert(table: &SqlTable) -> String {
    let SqlTable { dialect, schema, name, now, .. } = table;
    let (dialect, extras) = (*dialect, schema.extras);
    let deadline = after(dialect, now, ":absolute");
    let authenticated_at = if extras.cut_off {
        let began = write_as(dialect, &system("created_at"), ":began_at");
        format!("COALESCE({began}, {now})")
    } else {
        after(dialect, now, ":since")
    };
    let mut columns: Vec<(String, String)> = [
        ("id", ":id".into()),
        ("lasting_hash", ":lasting".into()),
        ("secret_hash", ":secret".into()),
        ("created_at", reported(dialect, now)),
        ("authenticated_at", authenticated_at),
        ("last_seen_at", (*now).into()),
        ("expires_at", least(dialect, &after(dialect, now, ":idle"), &deadline)),
        ("deadline", deadline),
        ("version", "1".into()),
        ("remembered", ":remembered".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut extra = |wanted: bool, name: &str, value: &str| {
        columns.extend(wanted.then(|| (name.to_owned(), value.to_owned())));
    };
    extra(extras.keep_ended, "status", "'active'");
    extra(extras.track, "ip_address", ":ip");
    extra(extras.track, "user_agent", ":user_agent");
    extra(extras.fingerprint, "fingerprint", ":fingerprint");
    let payload = schema.columns.iter().enumerate();
    columns
        .extend(payload.map(|(index, column)| {
            (dialect.reference(column.name), write(dialect, column, index))
        }));
    let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    format!(
        "INSERT INTO {name} ({}) VALUES ({}){}",
        names.join(", "),
        values.join(", "),
        returning(dialect, "created_at"),
    )
}

/// How a login makes room for itself.
struct Room {
    /// What the logins of this subject wait for.
    lock: SubjectLock,
    /// Held while the login has a connection: the subject's other logins on this node wait without
    /// one.
    _turn: Turn<SubjectLock>,
    /// The ids of the subject's live sessions, oldest first.
    live_ids: Query,
    limit: SubjectLimit,
}

/// A creation that ends other sessions, in one transaction; one that needs room, while no other one
/// of its subject runs.
struct Login<'a> {
    create: &'a Create,
    replaces: Option<Replaced>,
    room: Option<Room>,
    insert: Query,
}

/// What became of a [`Login`].
enum Entered {
    Written { created_at: Option<Timestamp>, ended: Vec<SessionId> },
    Full,
}

impl Login<'_> {
    async fn run<D: Driver>(&self, pool: &D) -> Result<Entered, sqlx::Error> {
        let lock = self.room.as_ref().map(|room| room.lock);
        let mut transaction = pool.begin(lock).await?;
        let entered = self.enter::<D>(&mut transaction).await?;
        match &entered {
            Entered::Written { .. } => D::commit(transaction).await?,
            Entered::Full => D::rollback(transaction).await?,
        }
        Ok(entered)
    }

    async fn enter<D: Driver>(
        &self,
        connection: &mut D::Connection,
    ) -> Result<Entered, sqlx::Error> {
        let Create { end_replaced: EndRows { live, rest }, end_overflow, .. } = self.create;
        if let Some(Replaced { id, proof }) = self.replaces {
            let arguments =
                || [id.into(), EndReason::Replaced.as_str().into(), proof.into()] as [Argument; 3];
            if D::execute_on(connection, &live.with(arguments())).await? == 0 {
                D::execute_on(connection, &rest.with(arguments())).await?;
            }
        }
        let mut ended = Vec::new();
        if let Some(room) = &self.room {
            let live = D::rows_on(connection, &room.live_ids).await?;
            let max = usize::try_from(room.limit.max.get()).unwrap_or(usize::MAX);
            let overflowing = (live.len() + 1).saturating_sub(max);
            if overflowing > 0 && room.limit.overflow == Overflow::Refuse {
                return Ok(Entered::Full);
            }
            for row in &live[..overflowing] {
                let Ok(id) = Cells::<D>::from_start(row).id() else {
                    return Err(sqlx::Error::Protocol("an id is not a UUID".into()));
                };
                let end = end_overflow.live.with([id.into(), EndReason::Overflow.as_str().into()]);
                if D::execute_on(connection, &end).await? > 0 {
                    ended.push(id);
                }
            }
        }
        let created_at = D::instant_on(connection, &self.insert).await?;
        Ok(Entered::Written { created_at, ended })
    }
}
