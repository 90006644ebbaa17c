//! What the database's settings mean for a logout that was answered: `verify` refuses a database
//! that cannot be written to, and warns about what a crash would undo.

use crate::schema::Dialect;
use crate::store::verified::{a_replica, final_logouts};

/// What is to be said about a database.
#[derive(Debug, Default)]
pub struct Durability {
    pub(super) refusals: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// The settings of a database, by their names.
pub(super) struct Settings(Vec<[String; 2]>);

impl Settings {
    /// Returns a query for settings: rows of a name and a value. A name that the server does not
    /// know has no row. SQLite's query takes the name of a schema.
    pub(super) fn query(dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => {
                "SELECT CAST(name AS text), setting FROM pg_catalog.pg_settings \
                 WHERE name IN ('transaction_read_only', 'synchronous_commit', 'fsync', \
                 'synchronous_standby_names') \
                 UNION ALL SELECT 'standby', \
                 CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' ELSE 'off' END"
            }
            Dialect::Sqlite => {
                "SELECT 'synchronous', CAST(synchronous AS TEXT) FROM pragma_synchronous(?1) \
                 UNION ALL SELECT 'journal_mode', journal_mode FROM pragma_journal_mode(?1)"
            }
            Dialect::MySql => {
                "SHOW VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', \
                 'innodb_read_only', 'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog')"
            }
        }
    }

    /// Reads the rows of that query.
    pub(super) fn new(rows: Vec<[String; 2]>) -> Self {
        Self(rows)
    }

    /// Returns the value of a setting, or the empty text if the server does not know it.
    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|[other, _]| other.eq_ignore_ascii_case(name));
        found.map_or("", |[_, value]| value)
    }

    /// Returns whether a setting is on, in one of MySQL's spellings.
    fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), "1" | "ON" | "on")
    }
}

impl Durability {
    /// Returns what these settings mean. `server` says which database has them.
    pub(super) fn of(dialect: Dialect, server: &str, settings: &Settings) -> Self {
        let mut said = Self::default();
        match dialect {
            Dialect::Postgres => said.of_postgres(server, settings),
            Dialect::MySql => said.of_mysql(server, settings),
            Dialect::Sqlite => said.of_sqlite(server, settings),
        }
        said
    }

    fn undone(&mut self, server: &str, what: &str, set: &str) {
        self.warnings.push(final_logouts(server, what, set));
    }

    fn of_postgres(&mut self, server: &str, settings: &Settings) {
        if settings.get("synchronous_commit") == "off" {
            self.undone(
                server,
                "a crash of the server undoes the logouts of the last moments \
                 (`synchronous_commit = off`)",
                "`synchronous_commit = on`",
            );
        }
        let waits_for_standbys = !matches!(settings.get("synchronous_commit"), "local" | "off");
        if !settings.get("synchronous_standby_names").is_empty() && !waits_for_standbys {
            self.undone(
                server,
                "a failover undoes logouts: nothing waits for the standbys that \
                 `synchronous_standby_names` names",
                "`synchronous_commit = remote_apply`",
            );
        }
        if settings.get("fsync") == "off" {
            self.undone(
                server,
                "a crash of the machine undoes logouts, and may damage the database \
                 (`fsync = off`)",
                "`fsync = on`",
            );
        }
        if settings.get("standby") == "on" {
            self.refusals.push(a_replica(server));
        } else if settings.get("transaction_read_only") == "on" {
            let setting = "default_transaction_read_only = on";
            self.refusals.push(read_only_server(server, setting));
        }
    }

    fn of_mysql(&mut self, server: &str, settings: &Settings) {
        let flushes = "`innodb_flush_log_at_trx_commit = 1`";
        match settings.get("innodb_flush_log_at_trx_commit") {
            "0" => self.undone(
                server,
                "a crash of the server undoes the logouts of the last second \
                 (`innodb_flush_log_at_trx_commit = 0`)",
                flushes,
            ),
            "2" => self.undone(
                server,
                "a crash of the machine undoes the logouts of the last second \
                 (`innodb_flush_log_at_trx_commit = 2`)",
                flushes,
            ),
            // 3 is 1 with one more synchronization, on MariaDB.
            _ => {}
        }
        let sync_binlog = settings.get("sync_binlog");
        if settings.is_on("log_bin") && sync_binlog != "1" {
            let what = format!(
                "a crash of the machine undoes logouts that its binary log does not have on the \
                 disk (`sync_binlog = {sync_binlog}`)"
            );
            self.undone(server, &what, "`sync_binlog = 1`");
        }
        // The readers of an Aurora cluster have only the last of these on. MariaDB has other values
        // of the first than ON and OFF.
        let is_off = |name| matches!(settings.get(name), "" | "0" | "OFF");
        let read_only = ["read_only", "super_read_only", "innodb_read_only"];
        if let Some(setting) = read_only.into_iter().find(|name| !is_off(name)) {
            self.refusals.push(read_only_server(server, &format!("{setting} = ON")));
        }
    }

    fn of_sqlite(&mut self, server: &str, settings: &Settings) {
        match (settings.get("journal_mode"), settings.get("synchronous")) {
            (_, "0") => self.undone(
                server,
                "a loss of power undoes logouts, and may damage the file (`synchronous = OFF`)",
                "`synchronous = FULL`",
            ),
            ("wal", "1") => self.undone(
                server,
                "a loss of power undoes the logouts of the last moments (`journal_mode = WAL` \
                 with `synchronous = NORMAL`)",
                "`synchronous = FULL`",
            ),
            _ => {}
        }
    }
}

/// Says that an SQLite database accepts no writes.
#[cfg(feature = "sqlite")]
pub(super) fn read_only_file(server: &str) -> String {
    format!(
        "{server} accepts no writes, so nobody can log in or out: the file or its folder is \
         write-protected, or the connection is read-only. Let the process write to the file and \
         its folder, and open it with `mode=rwc` and without `immutable` and `query_only`"
    )
}

/// Says that a server accepts no writes.
fn read_only_server(server: &str, setting: &str) -> String {
    format!(
        "{server} accepts no writes (`{setting}`), so nobody can log in or out, as on a replica. \
         Connect to the primary, or change the setting"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT_BY_POSTGRES: [(&str, &str); 4] = [
        ("standby", "off"),
        ("transaction_read_only", "off"),
        ("synchronous_commit", "on"),
        ("fsync", "on"),
    ];

    const KEPT_BY_MYSQL: [(&str, &str); 4] = [
        ("read_only", "OFF"),
        ("innodb_flush_log_at_trx_commit", "1"),
        ("log_bin", "ON"),
        ("sync_binlog", "1"),
    ];

    const KEPT_BY_SQLITE: [(&str, &str); 2] = [("journal_mode", "wal"), ("synchronous", "2")];

    /// What is said about settings that keep logouts, except for these.
    fn of(dialect: Dialect, other: &[(&str, &str)]) -> Durability {
        let kept: &[_] = match dialect {
            Dialect::Postgres => &KEPT_BY_POSTGRES,
            Dialect::MySql => &KEPT_BY_MYSQL,
            Dialect::Sqlite => &KEPT_BY_SQLITE,
        };
        // The first of a name counts.
        let rows = other.iter().chain(kept).map(|(name, value)| [(*name).into(), (*value).into()]);
        Durability::of(dialect, "Database at db:1", &Settings::new(rows.collect()))
    }

    #[test]
    fn what_keeps_logouts_is_not_warned_of() {
        for (dialect, other) in [
            (Dialect::Postgres, &[][..]),
            (Dialect::Postgres, &[("synchronous_commit", "local")]),
            (Dialect::Postgres, &[("synchronous_commit", "remote_apply")]),
            (Dialect::MySql, &[]),
            (Dialect::MySql, &[("log_bin", "OFF"), ("sync_binlog", "0")]),
            (Dialect::MySql, &[("innodb_flush_log_at_trx_commit", "3")]),
            (Dialect::MySql, &[("innodb_read_only", "OFF"), ("super_read_only", "OFF")]),
            (Dialect::Sqlite, &[]),
            (Dialect::Sqlite, &[("synchronous", "3")]),
            (Dialect::Sqlite, &[("journal_mode", "delete"), ("synchronous", "1")]),
            (Dialect::Sqlite, &[("journal_mode", "memory"), ("synchronous", "1")]),
        ] {
            let Durability { refusals, warnings } = of(dialect, other);
            assert_eq!((refusals, warnings), (vec![], vec![]), "{dialect:?} {other:?}");
        }
    }

    #[test]
    fn standbys_that_nothing_waits_for_are_warned_of() {
        let names = ("synchronous_standby_names", "ANY 1 (one, two)");
        for (commit, warned) in [("local", true), ("on", false), ("remote_apply", false)] {
            let said = of(Dialect::Postgres, &[names, ("synchronous_commit", commit)]);
            assert_eq!(said.refusals, [""; 0]);
            let failover = said.warnings.iter().filter(|it| it.contains("a failover undoes"));
            assert_eq!(failover.count(), usize::from(warned), "{commit}: {:?}", said.warnings);
        }
    }

    #[test]
    fn what_a_crash_undoes_is_said_with_the_setting_to_change() {
        let flush = "innodb_flush_log_at_trx_commit";
        for (dialect, other, undone, set) in [
            (Dialect::Postgres, ("synchronous_commit", "off"), "last moments", "commit = on`"),
            (Dialect::Postgres, ("fsync", "off"), "damage", "set `fsync = on`"),
            (Dialect::MySql, (flush, "0"), "crash of the server", "commit = 1`"),
            (Dialect::MySql, (flush, "2"), "crash of the machine", "commit = 1`"),
            (Dialect::MySql, ("sync_binlog", "0"), "sync_binlog = 0", "set `sync_binlog = 1`"),
            (Dialect::MySql, ("sync_binlog", "100"), "= 100", "set `sync_binlog = 1`"),
            (Dialect::Sqlite, ("synchronous", "0"), "loss of power", "`synchronous = FULL`"),
            (Dialect::Sqlite, ("synchronous", "1"), "last moments", "`synchronous = FULL`"),
        ] {
            let Durability { refusals, warnings } = of(dialect, &[other]);
            let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
            assert!(warning.contains("Database at db:1"), "{warning}");
            assert!(warning.contains(undone) && warning.contains(set), "{warning}");
            assert_eq!(refusals, [""; 0], "{warning}");
        }
    }

    #[test]
    fn what_cannot_be_written_to_is_refused() {
        for (dialect, other, refusal) in [
            (Dialect::Postgres, ("standby", "on"), "is a replica"),
            (Dialect::Postgres, ("transaction_read_only", "on"), "transaction_read_only = on"),
            (Dialect::MySql, ("read_only", "1"), "(`read_only = ON`)"),
            (Dialect::MySql, ("read_only", "ON"), "(`read_only = ON`)"),
            (Dialect::MySql, ("super_read_only", "ON"), "(`super_read_only = ON`)"),
            (Dialect::MySql, ("innodb_read_only", "ON"), "(`innodb_read_only = ON`)"),
        ] {
            let Durability { refusals, warnings } = of(dialect, &[other]);
            let [refused] = refusals.as_slice() else { panic!("{refusals:?}") };
            assert!(refused.contains(refusal), "{refused}");
            assert!(refused.contains("Connect to the primary"), "{refused}");
            assert_eq!(warnings, [""; 0], "{refused}");
        }
    }
}
