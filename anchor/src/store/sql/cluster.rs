//! [`Cluster`]: whether a server is one of several that accept writes, and what its statements need
//! so that the contract holds on all of them.
//!
//! Galera applies on each server what the others have committed, a moment after it was answered. So
//! each statement waits until its server has applied everything that was answered before the
//! statement began. Only then does a `SELECT` see a logout, and a logout the session that it ends.
//! Two transactions that write to one row collide, wherever they run, and the later one is undone
//! with a deadlock. Locks of rows, tables and names exist only on one server: a transaction that
//! needs a lock on all servers inserts a row and deletes it again.

#[cfg(feature = "mysql")]
use super::durability::Durability;

/// How a server shares its tables with others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cluster {
    /// It is the only one that accepts writes.
    #[default]
    OneWriter,
    /// It is one of a Galera cluster.
    #[cfg(feature = "mysql")]
    Galera {
        /// What makes a statement wait: it is put before the statement's text. Empty if the server
        /// cannot be told by a statement.
        wait: &'static str,
    },
}

impl Cluster {
    /// Returns what is put before each statement that is not part of a transaction, and before the
    /// beginning of each transaction.
    pub(super) fn wait(self) -> &'static str {
        match self {
            Self::OneWriter => "",
            #[cfg(feature = "mysql")]
            Self::Galera { wait } => wait,
        }
    }

    /// Returns whether other servers accept writes at the same time.
    pub(super) fn has_several_writers(self) -> bool {
        self != Self::OneWriter
    }
}

/// The variables of a MySQL server that say whether it shares its tables with others. A server that
/// does not know a variable leaves it out.
#[cfg(feature = "mysql")]
#[derive(Debug, Default)]
pub(super) struct Variables(Vec<(String, String)>);

#[cfg(feature = "mysql")]
impl Variables {
    /// Its answer has rows of two texts. A server that is cut off from its cluster answers it, too.
    pub(super) const QUERY: &'static str = "SHOW VARIABLES WHERE Variable_name IN \
         ('version', 'autocommit', 'completion_type', \
         'wsrep_on', 'wsrep_provider', 'wsrep_sync_wait', \
         'group_replication_group_name', 'group_replication_single_primary_mode', \
         'group_replication_consistency')";

    /// Waits before reading (1), before `UPDATE` and `DELETE` (2), and before `INSERT` (4). A
    /// server that is cut off from its cluster refuses instead of answering with an older state.
    const WAIT: &'static str = "SET STATEMENT wsrep_sync_wait = 7, wsrep_dirty_reads = OFF FOR ";

    pub(super) fn new(variables: Vec<(String, String)>) -> Self {
        Self(variables)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let of_name = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.0.iter().find(of_name).map(|(_, value)| value.as_str())
    }

    fn is_mariadb(&self) -> bool {
        self.value("version").is_some_and(|version| version.contains("MariaDB"))
    }

    fn has_provider(&self) -> bool {
        !matches!(self.value("wsrep_provider"), None | Some("" | "none"))
    }

    /// Says why what a connection writes may never be committed, if so.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        if matches!(self.value("autocommit"), Some("OFF" | "0")) {
            return Some(
                "the pool's connections leave every transaction open (`autocommit = 0`), so that \
                 no login and no logout would be kept: set `autocommit = 1` on the server",
            );
        }
        (!matches!(self.value("completion_type"), None | Some("NO_CHAIN" | "0"))).then_some(
            "the pool's connections begin another transaction with each commit, or close \
             (`completion_type`), so that not every logout would be kept: set \
             `completion_type = NO_CHAIN` on the server",
        )
    }

    pub(super) fn cluster(&self) -> Cluster {
        match self.value("wsrep_on") {
            Some("ON" | "1") if self.has_provider() => {
                Cluster::Galera { wait: if self.is_mariadb() { Self::WAIT } else { "" } }
            }
            _ => Cluster::OneWriter,
        }
    }

    /// Says what keeps the contract from holding on these servers.
    pub(super) fn judge(&self, server: &str, said: &mut Durability) {
        self.judge_galera(server, said);
        self.judge_group(server, said);
    }

    fn judge_galera(&self, server: &str, said: &mut Durability) {
        let is_on = self.cluster().has_several_writers();
        if self.has_provider() && !is_on {
            said.refusals.push(format!(
                "{server} does not pass on to its Galera cluster what is written to it \
                 (`wsrep_on = OFF`), so a logout is not seen by the others. Set `wsrep_on = ON`"
            ));
        }
        let waits = self.value("wsrep_sync_wait").and_then(|bits| bits.parse::<u32>().ok());
        if is_on && self.cluster().wait().is_empty() && waits.is_none_or(|bits| bits & 7 != 7) {
            said.refusals.push(format!(
                "{server} is a server of a Galera cluster and not MariaDB: its statements do not \
                 wait for what the others have written, so a logout may not have happened yet. \
                 Set `wsrep_sync_wait = 7`"
            ));
        }
    }

    fn judge_group(&self, server: &str, said: &mut Durability) {
        if self.value("group_replication_group_name").is_none_or(str::is_empty) {
            return;
        }
        if self.value("group_replication_single_primary_mode") == Some("OFF") {
            said.refusals.push(format!(
                "{server} is in a group of several primaries, each of which may answer with an \
                 older state, and each of which counts a subject's sessions for itself. Run \
                 `SELECT group_replication_switch_to_single_primary_mode()`"
            ));
        } else if self.value("group_replication_consistency") == Some("EVENTUAL") {
            said.warnings.push(format!(
                "{server}: after a failover, the new primary of its group may answer with an older \
                 state, in which a logout has not happened, until it has caught up. Set \
                 `group_replication_consistency = BEFORE_ON_PRIMARY_FAILOVER`"
            ));
        }
    }
}

#[cfg(all(test, feature = "mysql"))]
mod tests {
    use super::*;

    fn variables(variables: &[(&str, &str)]) -> Variables {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Variables::new(variables.iter().map(owned).collect())
    }

    fn judged(those: &[(&str, &str)]) -> Durability {
        let mut said = Durability::default();
        variables(those).judge("MySQL at db:1", &mut said);
        said
    }

    const MARIADB: (&str, &str) = ("version", "10.11.19-MariaDB-0+deb12u1");
    const PROVIDER: (&str, &str) = ("wsrep_provider", "/usr/lib/galera/libgalera_smm.so");
    const GROUP: (&str, &str) = ("group_replication_group_name", "aaaaaaaa");

    #[test]
    fn a_server_alone_is_told_nothing_and_nothing_is_said() {
        for alone in [
            &[("version", "9.7.4")][..],
            &[MARIADB, ("wsrep_on", "OFF"), ("wsrep_provider", "none")],
            &[MARIADB, ("wsrep_on", "ON"), ("wsrep_provider", "none")],
            &[("version", "8.4.0"), ("group_replication_group_name", "")],
        ] {
            assert_eq!(variables(alone).cluster(), Cluster::OneWriter, "{alone:?}");
            let Durability { refusals, warnings } = judged(alone);
            assert_eq!((refusals, warnings), (vec![], vec![]), "{alone:?}");
        }
    }

    #[test]
    fn mariadb_in_a_galera_cluster_is_told_to_wait_and_needs_no_setting() {
        let galera = [MARIADB, PROVIDER, ("wsrep_on", "ON"), ("wsrep_sync_wait", "0")];
        let cluster = variables(&galera).cluster();
        assert!(cluster.has_several_writers());
        assert!(cluster.wait().contains("wsrep_sync_wait = 7"), "{cluster:?}");
        let Durability { refusals, warnings } = judged(&galera);
        assert_eq!((refusals, warnings), (vec![], vec![]));
    }

    #[test]
    fn what_breaks_the_contract_on_several_servers_is_refused_with_what_to_type() {
        let mysql = ("version", "8.0.36-28.1");
        for (variables, set) in [
            (&[MARIADB, PROVIDER, ("wsrep_on", "OFF")][..], "`wsrep_on = ON`"),
            (&[mysql, PROVIDER, ("wsrep_on", "ON"), ("wsrep_sync_wait", "1")], "sync_wait = 7`"),
            (&[mysql, GROUP, ("group_replication_single_primary_mode", "OFF")], "switch_to_single"),
        ] {
            let Durability { refusals, warnings } = judged(variables);
            let [refused] = refusals.as_slice() else { panic!("{refusals:?}") };
            assert!(refused.contains("MySQL at db:1") && refused.contains(set), "{refused}");
            assert_eq!(warnings, [""; 0], "{refused}");
        }
        let waits = [mysql, PROVIDER, ("wsrep_on", "ON"), ("wsrep_sync_wait", "15")];
        assert_eq!(judged(&waits).refusals, [""; 0]);
    }

    #[test]
    fn a_group_whose_new_primary_may_answer_too_early_is_warned_of() {
        let mode = ("group_replication_single_primary_mode", "ON");
        let consistency = "group_replication_consistency";
        let Durability { refusals, warnings } = judged(&[GROUP, mode, (consistency, "EVENTUAL")]);
        assert_eq!(refusals, [""; 0]);
        assert!(warnings[0].contains("BEFORE_ON_PRIMARY_FAILOVER"), "{warnings:?}");
        let waits = (consistency, "BEFORE_ON_PRIMARY_FAILOVER");
        assert_eq!(judged(&[GROUP, mode, waits]).warnings, [""; 0]);
    }
}
