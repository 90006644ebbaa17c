//! Every statement that a SQL store runs.
//!
//! The texts are written with named parameters (`:id`), which become the dialect's placeholders. Two clocks are in them:
//! `now`, the instant at which the statement began, and `clock`, the instant at which it is evaluated. A write that waited for another's lock
//! must ask by the second whether the row is live, or it would bring back a session that ended while it waited. PostgreSQL asks again after
//! the wait only if the other did change the row, so there the row is locked first.

use std::time::Duration;

use super::expressions::*;
use super::statement::Statement;
use crate::column::ColumnType;
use crate::schema::{ColumnSchema, Dialect, Schema, system};
use crate::store::{EndReason, EndStatus, LONGEST_LOGIN, RotationState};

/// What [`SubjectStatements::list`] selects first; then [`ORIGIN`] where it is tracked, and the payload.
pub(crate) const RECORD: [&str; 8] = [
    "id",
    "created_at",
    "authenticated_at",
    "last_seen_at",
    "expires_at",
    "deadline",
    "version",
    "remembered",
];

/// The columns of an [`Origin`].
pub(crate) const ORIGIN: [&str; 2] = ["ip_address", "user_agent"];

/// What [`Statements::load`] selects after a record; then [`FINGERPRINT`], [`ENDED`] and the subject's cut-off where the table has them, and
/// the database's now.
pub(crate) const SECRETS: [&str; 5] = [
    "lasting_hash",
    "secret_hash",
    "previous_secret_hash",
    "previous_secret_until",
    "rotation_state",
];

/// What a session is bound to.
pub(crate) const FINGERPRINT: &str = "fingerprint";

/// How a kept row ended. [`SubjectStatements::history`] selects it after a record, with an instant
/// for rows that the sweep has not met, then the subject's cut-off, and the database's now.
pub(crate) const ENDED: [&str; 3] = ["status", "ended_at", "end_reason"];

/// The statements of one table.
pub(crate) struct Statements {
    dialect: Dialect,
    schema: &'static Schema,
    pub(crate) create: Statement,
    pub(crate) load: Statement,
    pub(crate) touch: Statement,
    /// `None` where origins are not tracked.
    pub(crate) touch_from: Option<Statement>,
    pub(crate) reauthenticate: Statement,
    pub(crate) rotate: Statement,
    pub(crate) revoke: End,
    pub(crate) revoke_proven: End,
    pub(crate) revoke_everyone: End,
    /// The lasting hash of a row, live or not.
    pub(crate) lasting: Statement,
    /// The version of a live row.
    pub(crate) version: Statement,
    /// Ends expired rows: removes them, or marks them where they are kept.
    pub(crate) sweep: Statement,
    /// Removes ended rows that were kept long enough; `None` where they are not kept.
    pub(crate) sweep_kept: Option<Statement>,
    /// `None` where the payload has no cut-offs.
    pub(crate) cut_offs: Option<CutOffStatements>,
    /// `None` where the payload has no subject.
    pub(crate) subject: Option<SubjectStatements>,
}

/// Ends rows for good. What is live is ended and counted; then whatever else meets the condition, for
/// a clock that shows it as expired may be set back.
pub(crate) struct End {
    pub(crate) live: Statement,
    pub(crate) rest: Statement,
}

/// The statements that go by the subject.
pub(crate) struct SubjectStatements {
    pub(crate) list: Statement,
    /// The ids of the live sessions, oldest first.
    pub(crate) live_ids: Statement,
    /// `None` where ended rows are not kept.
    pub(crate) history: Option<Statement>,
    /// Ends the session of an id, if it is the subject's.
    pub(crate) revoke_of: End,
    pub(crate) revoke_all: End,
    pub(crate) revoke_others: End,
}

/// The statements about cut-offs.
pub(crate) struct CutOffStatements {
    /// The database's now.
    pub(crate) now: Statement,
    pub(crate) record: Statement,
    /// Ends the subject's rows, whatever is recorded.
    pub(crate) end: Statement,
    /// Ends rows that were dead on arrival.
    pub(crate) sweep: Statement,
    /// Removes cut-offs that nothing depends on any more.
    pub(crate) forget: Statement,
}

impl Statements {
    pub(crate) fn of(dialect: Dialect, schema: &'static Schema) -> Self {
        let extras = schema.extras;
        let table = dialect.table(schema.table);
        let now = now(dialect);
        let clock = clock(dialect);
        let row = row(dialect, &table);
        let live = live(dialect, schema, &clock);
        let listed = self::live(dialect, schema, now);
        let columns = |names: &[&'static str]| -> Vec<String> {
            names.iter().map(|name| read(dialect, &system(name))).collect()
        };
        let mut record = columns(&RECORD);
        if extras.track {
            record.extend(columns(&ORIGIN));
        }
        record.extend(schema.columns.iter().map(|column| read(dialect, column)));
        let record = record.join(", ");
        let ended = if extras.keep_ended { columns(&ENDED) } else { Vec::new() };
        let cut_off: Option<String> = CutOffs::of(dialect, schema).map(|cut_offs| {
            let at = read_expression(dialect, ColumnType::Timestamp, "c.cut_off_at");
            format!("(SELECT {at} {})", cut_offs.of_row)
        });
        let read_now = read_expression(dialect, ColumnType::Timestamp, now);
        let statement = |text: String| Statement::parse(dialect, schema, &text);
        // Ends rows before their time. A kept one has expired too, for eyes that do not know of its status.
        let end = |condition: &str, reason: &str| match extras.keep_ended {
            false => format!("DELETE FROM {table} WHERE {condition}"),
            true => format!(
                "UPDATE {table} SET status = '{}', ended_at = {now}, end_reason = {reason}, \
                 expires_at = {} WHERE {condition}",
                EndStatus::Revoked.as_str(),
                least(dialect, "expires_at", now),
            ),
        };

        let end_all = |condition: &str| {
            let rest = match extras.keep_ended {
                false => format!("DELETE FROM {table} WHERE {condition}"),
                true => {
                    let at = least(dialect, "expires_at", now);
                    let lived = not_cut_off(dialect, schema)
                        .map_or_else(String::new, |lived| format!(" AND {lived}"));
                    // A login may have come in since the live ones ended.
                    let lives =
                        format!("CASE WHEN expires_at > {clock} AND deadline > {clock} THEN");
                    format!(
                        "UPDATE {table} SET status = {lives} '{}' ELSE '{}' END, \
                         end_reason = {lives} :reason END, ended_at = {at}, expires_at = {at} \
                         WHERE {condition} AND status = 'active'{lived}",
                        EndStatus::Revoked.as_str(),
                        EndStatus::Expired.as_str(),
                    )
                }
            };
            End {
                live: statement(end(&format!("{condition} AND {live}"), ":reason")),
                rest: statement(rest),
            }
        };
        // The secret of `:secret` is the current one, or is exchanged because its successor is lost.
        let rotate = |assignments: &str, exchanged: &str| {
            format!(
                "UPDATE {table} SET {assignments}{used}, previous_secret_hash = :old_secret, \
                 previous_secret_until = {until}, secret_hash = :new_secret, \
                 rotation_state = :rotation_state \
                 WHERE {row} AND (secret_hash = :secret OR (previous_secret_hash = :secret \
                 AND {exchanged} AND previous_secret_until <= {clock})) AND {live}",
                used = used(dialect, &idle_expiry(dialect)),
                until = after(dialect, now, ":grace"),
            )
        };

        Self {
            dialect,
            schema,

            create: statement({
                let deadline = after(dialect, now, ":absolute");
                let authenticated = match extras.cut_off {
                    true => {
                        let began = write_as(dialect, &system("created_at"), ":began_at");
                        format!("COALESCE({began}, {now})")
                    }
                    false => after(dialect, now, ":since"),
                };
                let mut written: Vec<(String, String)> = [
                    ("id", ":id".into()),
                    ("lasting_hash", ":lasting".into()),
                    ("secret_hash", ":secret".into()),
                    ("created_at", reported(dialect, now)),
                    ("authenticated_at", authenticated),
                    ("last_seen_at", now.into()),
                    ("expires_at", least(dialect, &after(dialect, now, ":idle"), &deadline)),
                    ("deadline", deadline),
                    ("version", "1".into()),
                    ("remembered", ":remembered".into()),
                ]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
                let mut extra = |wanted: bool, name: &str, value: &str| {
                    written.extend(wanted.then(|| (name.to_owned(), value.to_owned())));
                };
                extra(extras.keep_ended, "status", "'active'");
                extra(extras.track, "ip_address", ":ip");
                extra(extras.track, "user_agent", ":user_agent");
                extra(extras.fingerprint, "fingerprint", ":fingerprint");
                let payload = schema.columns.iter().enumerate().map(|(index, column)| {
                    (dialect.reference(column.name), write(dialect, column, index))
                });
                let (names, values): (Vec<_>, Vec<_>) = written.into_iter().chain(payload).unzip();
                format!(
                    "INSERT INTO {table} ({}) VALUES ({}){}",
                    names.join(", "),
                    values.join(", "),
                    returning(dialect, "created_at"),
                )
            }),

            load: statement({
                let mut after = columns(&SECRETS);
                if extras.fingerprint {
                    after.push(read(dialect, &system(FINGERPRINT)));
                }
                after.extend(ended.first().cloned());
                after.extend(cut_off.clone());
                after.push(read_now.clone());
                format!("SELECT {record}, {} FROM {table} WHERE id = :id", after.join(", "))
            }),

            touch: statement(touch(dialect, &table, &row, &live, "")),

            touch_from: extras.track.then(|| {
                let origin = ", ip_address = :ip, user_agent = :user_agent";
                statement(touch(dialect, &table, &row, &live, origin))
            }),

            rotate: statement(rotate(
                "",
                &format!("rotation_state = '{}'", RotationState::Exchangeable.as_str()),
            )),

            reauthenticate: statement(format!(
                "{}{}",
                rotate(
                    &format!("authenticated_at = {}, ", reported(dialect, now)),
                    &format!("rotation_state <> '{}'", RotationState::Settled.as_str()),
                ),
                returning(dialect, "authenticated_at"),
            )),

            revoke: end_all("id = :id"),

            revoke_proven: end_all("id = :id AND lasting_hash = :lasting"),

            revoke_everyone: end_all("1 = 1"),

            lasting: statement(format!("SELECT lasting_hash FROM {table} WHERE id = :id")),

            version: statement(format!(
                "SELECT {} FROM {table} WHERE id = :id AND {live}",
                read(dialect, &system("version")),
            )),

            sweep: statement(match extras.keep_ended {
                false => batch(
                    dialect,
                    &table,
                    &format!("DELETE FROM {table}"),
                    &format!("expires_at <= {now}"),
                    "expires_at",
                ),
                true => batch(
                    dialect,
                    &table,
                    &format!(
                        "UPDATE {table} SET status = '{}', ended_at = expires_at",
                        EndStatus::Expired.as_str()
                    ),
                    &format!("status = 'active' AND expires_at <= {now}"),
                    "expires_at",
                ),
            }),

            sweep_kept: extras.keep_ended.then(|| {
                statement(batch(
                    dialect,
                    &table,
                    &format!("DELETE FROM {table}"),
                    &format!("ended_at <= {}", after(dialect, now, ":since")),
                    "ended_at",
                ))
            }),

            subject: schema.subject().map(|(_, column)| {
                let subject = is_subject(dialect, column);
                SubjectStatements {
                    list: statement(format!(
                        "SELECT {record} FROM {table} WHERE {subject} AND {listed} {}",
                        page(dialect, "created_at"),
                    )),
                    live_ids: statement(format!(
                        "SELECT id FROM {table} WHERE {subject} AND {live} ORDER BY created_at, id"
                    )),
                    history: extras.keep_ended.then(|| {
                        let ended_at = ended_at(dialect, schema);
                        let mut after = ended.clone();
                        after[1] = read_expression(dialect, ColumnType::Timestamp, &ended_at);
                        after.extend(cut_off.clone());
                        statement(format!(
                            "SELECT {record}, {}, {read_now} FROM {table} \
                             WHERE {subject} AND NOT ({listed}) {}",
                            after.join(", "),
                            page(dialect, &ended_at),
                        ))
                    }),
                    revoke_of: end_all(&format!("id = :id AND {subject}")),
                    revoke_all: end_all(&subject),
                    revoke_others: end_all(&format!("{subject} AND id <> :id")),
                }
            }),

            cut_offs: CutOffs::of(dialect, schema).zip(schema.subject()).map(
                |(CutOffs { table: cut_offs, .. }, (_, column))| {
                    let subject = dialect.reference(column.name);
                    let of_subject = match joins_as_bytes(dialect, column) {
                        // The index of the sessions is on the text.
                        true => format!(
                            "s.{subject} = CONVERT(c.subject USING utf8mb4) COLLATE utf8mb4_bin \
                             AND LENGTH(s.{subject}) = LENGTH(c.subject)"
                        ),
                        false => format!("s.{subject} = c.subject"),
                    };
                    let (active, still) = match extras.keep_ended {
                        true => (" AND s.status = 'active'", " AND status = 'active'"),
                        false => ("", ""),
                    };
                    let dead = format!(
                        "SELECT s.id FROM {cut_offs} AS c JOIN {table} AS s ON {of_subject} \
                         WHERE s.authenticated_at <= c.cut_off_at{active} LIMIT :batch"
                    );
                    let dead = match dialect {
                        Dialect::Postgres => {
                            format!("id = ANY(ARRAY({dead} FOR UPDATE OF s SKIP LOCKED))")
                        }
                        Dialect::Sqlite => format!("id IN ({dead})"),
                        // MySQL limits no subquery of IN, but a table derived from one.
                        Dialect::MySql => format!("id IN (SELECT id FROM ({dead}) AS dead)"),
                    };
                    let longest = LONGEST_LOGIN.as_micros();
                    CutOffStatements {
                        now: statement(format!("SELECT {read_now}")),
                        record: statement(record_cut_off(dialect, column, &cut_offs)),
                        end: statement(end(
                            &format!(
                                "{} AND {}",
                                is_subject(dialect, column),
                                unexpired(schema, &clock)
                            ),
                            ":reason",
                        )),
                        sweep: statement(end(
                            &format!("{dead}{still}"),
                            &format!("'{}'", EndReason::CutOff.as_str()),
                        )),
                        // Twice the longest login: a node's clock may be slow.
                        forget: statement(format!(
                            "DELETE FROM {cut_offs} WHERE cut_off_at < {} \
                             AND NOT EXISTS (SELECT 1 FROM {table} AS s WHERE {} \
                             AND s.authenticated_at <= {cut_offs}.cut_off_at{active})",
                            after(dialect, now, &format!("-{}", 2 * longest)),
                            of_subject.replace("c.subject", &format!("{cut_offs}.subject")),
                        )),
                    }
                },
            ),
        }
    }

    /// Writes these payload columns, if the row is live and at `:version`, and `:secret` is good. Without any, the use alone. Its text
    /// depends on the set of columns alone, so a connection prepares it once a set.
    pub(crate) fn update(&self, changed: &[usize]) -> Statement {
        let dialect = self.dialect;
        let table = dialect.table(self.schema.table);
        let clock = clock(dialect);
        let live = live(dialect, self.schema, &clock);
        let columns = self.schema.columns;
        let mut assignments: String = changed
            .iter()
            .map(|&index| {
                let name = dialect.reference(columns[index].name);
                format!("{name} = {}, ", write(dialect, &columns[index], index))
            })
            .collect();
        if !changed.is_empty() {
            assignments.push_str("version = version + 1, ");
        }
        let text = format!(
            "UPDATE {table} SET {assignments}{used} \
             WHERE {row} AND version = :version AND (secret_hash = :secret \
             OR (previous_secret_hash = :secret AND (rotation_state <> '{settled}' \
             OR previous_secret_until > {clock}))) AND {live}",
            used = used(dialect, &idle_expiry(dialect)),
            row = row(dialect, &table),
            settled = RotationState::Settled.as_str(),
        );
        Statement::parse(dialect, self.schema, &text)
    }
}

/// The condition on which a row is live at an instant.
fn live(dialect: Dialect, schema: &Schema, instant: &str) -> String {
    let unexpired = unexpired(schema, instant);
    match not_cut_off(dialect, schema) {
        None => unexpired,
        Some(not_cut_off) => format!("{unexpired} AND {not_cut_off}"),
    }
}

/// The condition on which no cut-off came after a row's login began; `None` without cut-offs.
fn not_cut_off(dialect: Dialect, schema: &Schema) -> Option<String> {
    let CutOffs { of_row, .. } = CutOffs::of(dialect, schema)?;
    let table = dialect.table(schema.table);
    Some(format!("NOT EXISTS (SELECT 1 {of_row} AND c.cut_off_at >= {table}.authenticated_at)"))
}

/// The same, but for cut-offs.
fn unexpired(schema: &Schema, instant: &str) -> String {
    let active = if schema.extras.keep_ended { "status = 'active' AND " } else { "" };
    format!("{active}expires_at > {instant} AND deadline > {instant}")
}

/// What is left of a list after `:after_at` and `:id`, up to `:batch`: by `instant` and id, the
/// latest first.
fn page(dialect: Dialect, instant: &str) -> String {
    let after_at = write_as(dialect, &system("created_at"), ":after_at");
    format!("AND ({instant}, id) < ({after_at}, :id) ORDER BY {instant} DESC, id DESC LIMIT :batch")
}

/// When a kept row ended, also where the sweep has not come by: with its cut-off, else at its end.
fn ended_at(dialect: Dialect, schema: &Schema) -> String {
    let end = least(dialect, "expires_at", "deadline");
    let unswept = match CutOffs::of(dialect, schema) {
        None => end,
        Some(CutOffs { of_row, .. }) => {
            let table = dialect.table(schema.table);
            let cut_off = greatest(dialect, "c.cut_off_at", &format!("{table}.created_at"));
            format!(
                "COALESCE((SELECT {cut_off} {of_row} \
                 AND c.cut_off_at >= {table}.authenticated_at), {end})"
            )
        }
    };
    format!(
        "CASE WHEN status <> 'active' AND ended_at IS NOT NULL THEN ended_at ELSE {unswept} END"
    )
}

/// The companion table in statements.
struct CutOffs {
    table: String,
    /// `FROM .. AS c WHERE ..`: the cut-off of the row's subject.
    of_row: String,
}

impl CutOffs {
    fn of(dialect: Dialect, schema: &Schema) -> Option<Self> {
        let table = dialect.table(&schema.cut_offs_table()?);
        let (_, column) = schema.subject()?;
        let mut subject =
            format!("{}.{}", dialect.table(schema.table), dialect.reference(column.name));
        if joins_as_bytes(dialect, column) {
            subject = format!("CAST({subject} AS BINARY)");
        }
        let of_row = format!("FROM {table} AS c WHERE c.subject = {subject}");
        Some(Self { table, of_row })
    }
}

/// Whether the companion table has the subject's bytes in place of its text.
fn joins_as_bytes(dialect: Dialect, subject: &ColumnSchema) -> bool {
    dialect == Dialect::MySql && matches!(subject.ty, ColumnType::Text | ColumnType::Enum(_))
}

/// Records a cut-off. It is never earlier than now: where the clock is coarse, it is the clock's next step.
fn record_cut_off(dialect: Dialect, subject: &ColumnSchema, cut_offs: &str) -> String {
    let subject = write_as(dialect, subject, ":subject");
    let clock = clock(dialect);
    match dialect {
        Dialect::Postgres => format!(
            "INSERT INTO {cut_offs} AS c (subject, cut_off_at) VALUES ({subject}, {clock}) \
             ON CONFLICT (subject) DO UPDATE \
             SET cut_off_at = GREATEST(c.cut_off_at, EXCLUDED.cut_off_at)"
        ),
        Dialect::Sqlite => format!(
            "INSERT INTO {cut_offs} AS c (subject, cut_off_at) VALUES ({subject}, {clock} + {step}) \
             ON CONFLICT (subject) DO UPDATE \
             SET cut_off_at = max(c.cut_off_at, excluded.cut_off_at)",
            step = SQLITE_CLOCK_STEP.as_micros(),
        ),
        Dialect::MySql => format!(
            "INSERT INTO {cut_offs} (subject, cut_off_at) VALUES ({subject}, {clock}) \
             ON DUPLICATE KEY UPDATE cut_off_at = GREATEST(cut_off_at, VALUES(cut_off_at))"
        ),
    }
}

/// What a session's use assigns.
fn used(dialect: Dialect, expires_at: &str) -> String {
    format!("last_seen_at = {}, expires_at = {expires_at}", now(dialect))
}

/// When a session ends that is used now: never after its deadline.
fn idle_expiry(dialect: Dialect) -> String {
    least(dialect, &after(dialect, now(dialect), ":idle"), "deadline")
}

fn touch(dialect: Dialect, table: &str, row: &str, live: &str, origin: &str) -> String {
    format!(
        "UPDATE {table} SET {}, \
         rotation_state = CASE WHEN secret_hash = :secret THEN '{}' ELSE rotation_state END{origin} \
         WHERE {row} AND {live}{}",
        used(dialect, &reported(dialect, &idle_expiry(dialect))),
        RotationState::Settled.as_str(),
        returning(dialect, "expires_at"),
    )
}

/// `write` for at most `:batch` of the rows that meet the condition.
fn batch(dialect: Dialect, table: &str, write: &str, condition: &str, order: &str) -> String {
    match dialect {
        // The array is computed once; a plain IN may be planned as a join that runs the LIMIT again and again.
        Dialect::Postgres => format!(
            "{write} WHERE {condition} AND id = ANY(ARRAY(SELECT id FROM {table} \
             WHERE {condition} ORDER BY {order} LIMIT :batch FOR UPDATE SKIP LOCKED))"
        ),
        Dialect::Sqlite => format!(
            "{write} WHERE id IN (SELECT id FROM {table} \
             WHERE {condition} ORDER BY {order} LIMIT :batch)"
        ),
        Dialect::MySql => format!("{write} WHERE {condition} ORDER BY {order} LIMIT :batch"),
    }
}

/// How coarse SQLite's clock is.
pub(crate) const SQLITE_CLOCK_STEP: Duration = Duration::from_millis(1);

fn is_subject(dialect: Dialect, column: &ColumnSchema) -> String {
    let name = dialect.reference(column.name);
    let is_equal = format!("{name} = {}", write_as(dialect, column, ":subject"));
    match (dialect, column.ty) {
        // MySQL's collations take 'a' and 'a ' for equal: nobody is to list or end the sessions of a subject who differs by a space.
        (Dialect::MySql, ColumnType::Text | ColumnType::Enum(_)) => {
            format!("{is_equal} AND LENGTH({name}) = LENGTH(:subject)")
        }
        _ => is_equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::statement::Parameter;

    static COLUMNS: [ColumnSchema; 3] = [
        ColumnSchema::new("user_id", ColumnType::Text, false).subject(),
        ColumnSchema::new("a:b", ColumnType::Timestamp, true),
        ColumnSchema::new("mood", ColumnType::Text, false).sql_type("mood"),
    ];
    static SCHEMA: Schema = Schema::new("sessions", &COLUMNS);

    fn on(dialect: Dialect) -> Statements {
        Statements::of(dialect, &SCHEMA)
    }

    #[test]
    fn a_load_is_one_select_by_the_key() {
        assert_eq!(
            on(Dialect::Postgres).load.text(),
            "SELECT \"id\", \"created_at\", \"authenticated_at\", \"last_seen_at\", \"expires_at\", \
             \"deadline\", \"version\", \"remembered\", \"user_id\", \"a:b\", CAST(\"mood\" AS TEXT), \
             \"lasting_hash\", \"secret_hash\", \"previous_secret_hash\", \
             \"previous_secret_until\", \"rotation_state\", statement_timestamp() \
             FROM sessions WHERE id = $1"
        );
    }

    #[test]
    fn an_update_writes_the_changed_columns_alone() {
        let text = |dialect| on(dialect).update(&[2]).text().to_owned();
        assert!(
            text(Dialect::Postgres).starts_with(
                "UPDATE sessions SET \"mood\" = CAST($1 AS mood), version = version + 1, \
                 last_seen_at = statement_timestamp(), expires_at = LEAST("
            ),
            "{}",
            text(Dialect::Postgres)
        );
        assert!(
            text(Dialect::Sqlite)
                .contains("SET `mood` = ?, version = version + 1, last_seen_at = ")
        );
        assert!(
            text(Dialect::Sqlite).contains(" WHERE id = ? AND version = ? AND (secret_hash = ? ")
        );
        assert!(!on(Dialect::Sqlite).update(&[]).text().contains("version + 1"), "a use alone");
    }

    #[test]
    fn mysql_reports_the_expiry_without_a_second_statement() {
        let statements = on(Dialect::MySql);
        assert!(
            statements
                .touch
                .text()
                .contains("expires_at = TIMESTAMPADD(MICROSECOND, LAST_INSERT_ID(")
        );
        assert!(!statements.touch.text().contains("RETURNING"));
        assert!(on(Dialect::Sqlite).touch.text().ends_with(" RETURNING expires_at"));
    }

    #[test]
    fn parameters_are_found_outside_of_quotes_and_keep_their_order() {
        let statement = Statement::parse(
            Dialect::Postgres,
            &SCHEMA,
            "SELECT ':id', \"a:b\" FROM t WHERE x = :version AND id = :id AND y = :p1",
        );
        assert_eq!(
            statement.text(),
            "SELECT ':id', \"a:b\" FROM t WHERE x = $1 AND id = $2 AND y = $3"
        );
        assert_eq!(
            statement.parameters,
            [
                (Parameter::Version, ColumnType::BigInt),
                (Parameter::Id, ColumnType::Uuid),
                (Parameter::Payload(1), ColumnType::Timestamp),
            ]
        );
    }

    #[test]
    fn a_cast_never_names_a_length() {
        for (sql_type, target) in [
            ("citext", Some("citext")),
            ("numeric(10, 2)", Some("numeric")),
            ("timestamp (3) with time zone", Some("timestamp with time zone")),
            ("auth.mood", Some("auth.mood")),
            ("varchar(40)", None),
            ("CHARACTER VARYING (40)", None),
            ("char(10)", None),
        ] {
            assert_eq!(cast_target(sql_type).as_deref(), target, "{sql_type}");
        }
    }
}
