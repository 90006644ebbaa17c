//! What the database's settings mean for a logout that was answered: `verify` refuses a database
//! that cannot be written to, and warns about what a crash would undo.

use crate::schema::Dialect;
use crate::store::verified::{a_replica, final_logouts};

/// What is to be said about a database.
#[derive(Debug, Default)]
pub(super) struct Durability {
    pub(super) refusals: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Durability {
    /// Returns a query for the settings, with one row of four texts. SQLite's takes the name of a
    /// schema.
    pub(super) fn query(dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => {
                "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' ELSE 'off' END, \
                 current_setting('transaction_read_only', true), \
                 current_setting('synchronous_commit', true), current_setting('fsync', true)"
            }
            Dialect::Sqlite => {
                "SELECT CAST(synchronous AS TEXT), '', '', '' FROM pragma_synchronous(?1)"
            }
            Dialect::MySql => {
                "SELECT CAST(@@global.read_only AS CHAR), \
                 CAST(@@global.innodb_flush_log_at_trx_commit AS CHAR), \
                 CAST(@@global.log_bin AS CHAR), CAST(@@global.sync_binlog AS CHAR)"
            }
        }
    }

    /// Reads the row of that query. `server` says which database it is.
    pub(super) fn of(dialect: Dialect, server: &str, settings: &[String; 4]) -> Self {
        let mut said = Self::default();
        let mut undone = |what: &str, set: &str| {
            said.warnings.push(final_logouts(server, what, set));
        };
        match (dialect, settings.each_ref().map(String::as_str)) {
            (Dialect::Postgres, [standby, read_only, synchronous_commit, fsync]) => {
                if synchronous_commit == "off" {
                    undone(
                        "a crash of the server undoes the logouts of the last moments \
                         (`synchronous_commit = off`)",
                        "`synchronous_commit = on`",
                    );
                }
                if fsync == "off" {
                    undone(
                        "a crash of the machine undoes logouts, and may damage the database \
                         (`fsync = off`)",
                        "`fsync = on`",
                    );
                }
                if standby == "on" {
                    said.refusals.push(a_replica(server));
                } else if read_only == "on" {
                    let setting = "default_transaction_read_only = on";
                    said.refusals.push(read_only_server(server, setting));
                }
            }
            (Dialect::MySql, [read_only, flush, binlog, sync_binlog]) => {
                let flushes = "`innodb_flush_log_at_trx_commit = 1`";
                match flush {
                    "0" => undone(
                        "a crash of the server undoes the logouts of the last second \
                         (`innodb_flush_log_at_trx_commit = 0`)",
                        flushes,
                    ),
                    "2" => undone(
                        "a crash of the machine undoes the logouts of the last second \
                         (`innodb_flush_log_at_trx_commit = 2`)",
                        flushes,
                    ),
                    // 3 is 1 with one more synchronization, on MariaDB.
                    _ => {}
                }
                if matches!(binlog, "1" | "ON") && sync_binlog != "1" {
                    let what = format!(
                        "a crash of the machine undoes logouts that its binary log does not have \
                         on the disk (`sync_binlog = {sync_binlog}`)"
                    );
                    undone(&what, "`sync_binlog = 1`");
                }
                if !matches!(read_only, "0" | "OFF") {
                    said.refusals.push(read_only_server(server, "read_only = ON"));
                }
            }
            (Dialect::Sqlite, ["0", ..]) => undone(
                "a loss of power undoes logouts, and may damage the file (`synchronous = OFF`)",
                "`synchronous = FULL`",
            ),
            (Dialect::Sqlite, _) => {}
        }
        said
    }
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

    fn of(dialect: Dialect, settings: [&str; 4]) -> Durability {
        Durability::of(dialect, "Database at db:1", &settings.map(str::to_owned))
    }

    #[test]
    fn what_keeps_logouts_is_not_warned_of() {
        for (dialect, settings) in [
            (Dialect::Postgres, ["off", "off", "on", "on"]),
            (Dialect::Postgres, ["off", "off", "local", "on"]),
            (Dialect::Postgres, ["off", "off", "remote_apply", "on"]),
            (Dialect::MySql, ["0", "1", "0", "0"]),
            (Dialect::MySql, ["OFF", "3", "1", "1"]),
            (Dialect::Sqlite, ["1", "", "", ""]),
            (Dialect::Sqlite, ["2", "", "", ""]),
        ] {
            let Durability { refusals, warnings } = of(dialect, settings);
            assert_eq!((refusals, warnings), (vec![], vec![]), "{dialect:?} {settings:?}");
        }
    }

    #[test]
    fn what_a_crash_undoes_is_said_with_the_setting_to_change() {
        for (dialect, settings, undone, set) in [
            (Dialect::Postgres, ["off", "off", "off", "on"], "last moments", "commit = on`"),
            (Dialect::Postgres, ["off", "off", "on", "off"], "damage", "set `fsync = on`"),
            (Dialect::MySql, ["0", "0", "0", "0"], "crash of the server", "commit = 1`"),
            (Dialect::MySql, ["0", "2", "0", "0"], "crash of the machine", "commit = 1`"),
            (Dialect::MySql, ["0", "1", "1", "0"], "sync_binlog = 0", "set `sync_binlog = 1`"),
            (Dialect::MySql, ["0", "1", "ON", "100"], "= 100", "set `sync_binlog = 1`"),
            (Dialect::Sqlite, ["0", "", "", ""], "loss of power", "`synchronous = FULL`"),
        ] {
            let Durability { refusals, warnings } = of(dialect, settings);
            let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
            assert!(warning.contains("Database at db:1"), "{warning}");
            assert!(warning.contains(undone) && warning.contains(set), "{warning}");
            assert_eq!(refusals, [""; 0], "{warning}");
        }
    }

    #[test]
    fn what_cannot_be_written_to_is_refused() {
        for (dialect, settings, refusal) in [
            (Dialect::Postgres, ["on", "on", "on", "on"], "is a replica"),
            (Dialect::Postgres, ["off", "on", "on", "on"], "default_transaction_read_only = on"),
            (Dialect::MySql, ["1", "1", "0", "0"], "read_only = ON"),
            (Dialect::MySql, ["ON", "1", "0", "0"], "read_only = ON"),
        ] {
            let Durability { refusals, warnings } = of(dialect, settings);
            let [refused] = refusals.as_slice() else { panic!("{refusals:?}") };
            assert!(refused.contains(refusal), "{refused}");
            assert!(refused.contains("Connect to the primary"), "{refused}");
            assert_eq!(warnings, [""; 0], "{refused}");
        }
    }
}
