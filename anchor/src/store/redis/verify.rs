//! `verify`: whether the server keeps what it is told, and what a change of the struct means for
//! the sessions that are there.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::RedisError;

use super::database::{AT_ONCE, Database};
use super::durability::Asked;
use super::failure::store_error;
use super::reply::id_in_key;
use super::row::ends_on_change;
use super::servers::Node;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::verified::{a_replica, final_logouts};
use crate::store::{Verified, VerifyError};

/// How long `appendfsync everysec` takes.
const EVERY_SECOND: Duration = Duration::from_secs(1);

/// How many sessions of each server are looked at.
const SAMPLE: usize = 1_000;

impl Database {
    pub(super) async fn verify<T: SessionData>(&self) -> Result<Verified, VerifyError> {
        let (mut refused, mut warnings) = (Vec::new(), self.warnings.to_vec());
        let mut sample = Sample::default();
        let failed = |error: RedisError| store_error(&self.server, &error);
        self.is_permitted().await?;
        let servers = self.connection.servers().await.map_err(failed)?;
        for primary in servers.primaries {
            let name = match &primary {
                Some((host, port)) => format!("Redis at {host}:{port}"),
                None => self.server.to_string(),
            };
            let settings = Settings::of(&self.info(&primary).await?, self.config(&primary).await?);
            refused.extend(settings.refusals(&name));
            let asked = self.asks_for();
            warnings.extend(asked.and_then(|asked| settings.lacks_replicas(&name, asked)));
            match asked.filter(|asked| asked.is_on_disks) {
                Some(asked) => {
                    refused.extend(settings.refusals_of_disks(&name));
                    warnings.extend(settings.warnings_of_disks(&name, asked));
                }
                None => warnings.extend(settings.warnings(&name)),
            }
            self.look_at::<T>(&primary, &mut sample).await?;
        }
        if servers.hidden > 0 {
            warnings.push(format!(
                "the cluster does not show the addresses of {} replicas, which cannot be looked \
                 at: set `cluster-announce-ip`, and `cluster-preferred-endpoint-type ip`",
                servers.hidden
            ));
        }
        for replica in servers.replicas {
            let Some((host, port)) = &replica else { continue };
            let name = format!("Redis at {host}:{port}, a replica,");
            match self.info(&replica).await {
                Ok(info) => {
                    let settings = Settings::of(&info, None);
                    refused.extend(settings.evictions(&name));
                    let waits = |asked: &Asked| asked.is_on_disks && asked.replicas > 0;
                    let lacks = self.asks_for().filter(waits);
                    warnings.extend(lacks.and_then(|_| settings.refusals_of_disks(&name)));
                }
                Err(error) => warnings.push(format!("{name} cannot be looked at: {error}")),
            }
        }
        if !refused.is_empty() {
            return Err(VerifyError::Settings { settings: refused });
        }
        warnings.extend(sample.warnings());
        Ok(Verified::with(T::schema().table, warnings))
    }

    async fn info(&self, node: &Node) -> Result<String, StoreError> {
        let info = self.connection.ask(node, redis::cmd("INFO")).await;
        info.map_err(|error| store_error(&self.server, &error))
    }

    /// Returns the settings that `INFO` does not show; `None` if the server refuses to show them,
    /// as a managed one may.
    async fn config(&self, primary: &Node) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("*");
        match self.connection.ask(primary, command).await {
            Ok(config) => Ok(Some(config)),
            Err(error) if error.code().is_some() => Ok(None),
            Err(error) => Err(store_error(&self.server, &error)),
        }
    }

    /// Decodes some of the sessions that are there.
    async fn look_at<T: SessionData>(
        &self,
        primary: &Node,
        sample: &mut Sample,
    ) -> Result<(), StoreError> {
        let (mut cursor, mut ids): (u64, Vec<SessionId>) = (0, Vec::new());
        loop {
            let page = self.connection.scan(primary, cursor, &self.keys.sessions()).await;
            let (next, keys) = page.map_err(|error| store_error(&self.server, &error))?;
            ids.extend(keys.iter().filter_map(|key| id_in_key(key)));
            cursor = next;
            if cursor == 0 || ids.len() >= SAMPLE {
                break;
            }
        }
        ids.truncate(SAMPLE);
        let found = self.for_each(AT_ONCE, ids, |database: Self, id| async move {
            let (now, row) = database.row(id).await?;
            Ok(row.live::<T>(id, now).map(|live| live.map(drop)).transpose())
        });
        for live in found.await?.into_iter().flatten() {
            sample.live += 1;
            match live {
                Ok(()) => {}
                Err(error) if ends_on_change(T::schema(), &error) => {}
                Err(error) => *sample.undecodable.entry(error.to_string()).or_default() += 1,
            }
        }
        Ok(())
    }
}

/// What some of the live sessions are.
#[derive(Default)]
struct Sample {
    live: usize,
    /// How many the struct cannot decode, by the reason.
    undecodable: BTreeMap<String, usize>,
}

impl Sample {
    fn warnings(&self) -> impl Iterator<Item = String> {
        let live = self.live;
        self.undecodable.iter().map(move |(reason, count)| {
            format!(
                "{count} of the {live} live sessions that were looked at cannot be decoded by the \
                 struct, and count as ended: {reason}. If they are to end, declare \
                 `#[session(on_change = \"end_sessions\")]` on the field"
            )
        })
    }
}

/// How a server is set up.
#[derive(Debug, Default)]
struct Settings {
    version: String,
    eviction: String,
    is_replica: bool,
    appends: bool,
    /// `None` if the server does not show it.
    append_sync: Option<String>,
    /// Whether it also flushes the file while it writes all of it anew, or a snapshot.
    flushes_while_rewriting: bool,
    /// When it saves snapshots; `None` if the server does not show it.
    save: Option<String>,
    /// How many replicas are connected; `None` if the server does not show it.
    replicas: Option<u32>,
}

impl Settings {
    fn of(info: &str, config: Option<BTreeMap<String, String>>) -> Self {
        let of_info = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(line, _)| *line == name).map(|(_, value)| value.trim().to_owned())
        };
        let of_config = |name: &str| config.as_ref()?.get(name).cloned();
        Self {
            version: of_info("redis_version").unwrap_or_default(),
            eviction: of_info("maxmemory_policy").unwrap_or_default(),
            is_replica: of_info("role").as_deref() == Some("slave"),
            appends: of_info("aof_enabled").as_deref() == Some("1"),
            append_sync: of_config("appendfsync"),
            flushes_while_rewriting: of_config("no-appendfsync-on-rewrite").as_deref()
                != Some("yes"),
            save: of_config("save"),
            replicas: of_info("connected_slaves").and_then(|count| count.parse().ok()),
        }
    }

    /// Returns what loses sessions on a server that holds them.
    fn evictions(&self, server: &str) -> Option<String> {
        let Self { eviction, .. } = self;
        (!matches!(eviction.as_str(), "noeviction" | "")).then(|| {
            format!(
                "{server} removes keys when its memory is full (`maxmemory-policy {eviction}`): \
                 users are logged out, and a cut-off is forgotten. Set `maxmemory-policy \
                 noeviction`"
            )
        })
    }

    /// Returns why nothing could confirm an end on the disk.
    fn refusals_of_disks(&self, server: &str) -> Option<String> {
        let Self { version, .. } = self;
        let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
        let is_older = match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) => (major, minor) < (7, 2),
            _ => false,
        };
        match (is_older, self.appends) {
            (true, _) => Some(format!(
                "{server} is Redis {version}, which does not know `WAITAOF`, so it confirms no \
                 logout. Run Redis 7.2 or newer, or use `Durability::Replicas`"
            )),
            (false, false) => Some(format!(
                "{server} keeps no append-only file (`appendonly no`), so it confirms no logout. \
                 Set `appendonly yes`, or use `Durability::Replicas`"
            )),
            (false, true) if self.append_sync.as_deref() == Some("no") => Some(format!(
                "{server} does not wait for its disk (`appendfsync no`), so it confirms no logout. \
                 Set `appendfsync always`, or use `Durability::Replicas`"
            )),
            (false, true) => None,
        }
    }

    /// Returns why an end may not be confirmed on the disk in time.
    fn warnings_of_disks(&self, server: &str, asked: Asked) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.append_sync.as_deref() == Some("everysec") && asked.within <= EVERY_SECOND {
            warnings.push(format!(
                "{server} flushes its disk every second (`appendfsync everysec`), and a \
                 confirmation may take {:?}: logouts are answered with 503. Set `appendfsync \
                 always`, or write a `within` of two seconds or more",
                asked.within
            ));
        }
        if !self.flushes_while_rewriting {
            warnings.push(format!(
                "{server} does not flush its disk while it rewrites its file \
                 (`no-appendfsync-on-rewrite yes`): logouts are answered with 503 meanwhile. Set \
                 `no-appendfsync-on-rewrite no`"
            ));
        }
        warnings
    }

    /// Returns why no end can be confirmed at present.
    fn lacks_replicas(&self, server: &str, asked: Asked) -> Option<String> {
        let connected = self.replicas.filter(|connected| *connected < asked.replicas)?;
        Some(format!(
            "{server} has {connected} connected replicas of the {} that `durability` asks for: \
             logouts are answered with 503. Connect more replicas, or ask for fewer",
            asked.replicas
        ))
    }

    /// Returns what loses sessions, or their ends, in operation.
    fn refusals(&self, server: &str) -> Vec<String> {
        let mut refusals = Vec::from_iter(self.evictions(server));
        if self.is_replica {
            refusals.push(a_replica(server));
        }
        refusals
    }

    /// Returns what a restart of the server would undo.
    fn warnings(&self, server: &str) -> Vec<String> {
        let undone = match (self.appends, self.append_sync.as_deref(), self.save.as_deref()) {
            (true, Some("always"), _) if self.flushes_while_rewriting => return Vec::new(),
            (true, Some("always"), _) => {
                "a crash of the machine undoes logouts since the server has begun to rewrite its \
                 file (`no-appendfsync-on-rewrite yes`)"
            }
            (true, Some("no"), _) => {
                "a crash of the machine undoes logouts of the last 30 seconds (`appendfsync no`)"
            }
            (true, Some(_), _) => {
                "a crash of the machine undoes the logouts of the last second (`appendfsync \
                 everysec`)"
            }
            (true, None, _) => {
                "a crash of the machine undoes the last logouts, unless `appendfsync` is `always`, \
                 which this server does not show"
            }
            (false, _, Some("")) => {
                "a restart ends all sessions, because nothing is written to disk (`appendonly no`, \
                 `save \"\"`)"
            }
            (false, _, _) => {
                "a restart undoes what came after the last snapshot, also logouts (`appendonly no`)"
            }
        };
        let set = match self.flushes_while_rewriting {
            true => "`appendonly yes` and `appendfsync always`",
            false => "`appendonly yes`, `appendfsync always` and `no-appendfsync-on-rewrite no`",
        };
        vec![final_logouts(server, undone, set)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(info: &str, config: &[(&str, &str)]) -> Settings {
        let config = config.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Settings::of(info, Some(config.collect()))
    }

    #[test]
    fn eviction_and_a_replica_are_refused() {
        let good = settings("role:master\r\nmaxmemory_policy:noeviction\r\n", &[]);
        assert_eq!(good.refusals("Redis"), [""; 0]);
        let bad = settings("# Memory\r\nmaxmemory_policy:allkeys-lru\r\nrole:slave\r\n", &[]);
        let refusals = bad.refusals("Redis at cache:6379");
        assert_eq!(refusals.len(), 2, "{refusals:?}");
        assert!(refusals[0].contains("Set `maxmemory-policy noeviction`"), "{refusals:?}");
        assert!(refusals[1].contains("Connect to the primary"), "{refusals:?}");
    }

    #[test]
    fn ends_are_confirmed_on_disks_from_redis_7_2_on() {
        let of = |version, appends: u8| {
            let info = format!("redis_version:{version}\r\naof_enabled:{appends}\r\n");
            settings(&info, &[]).refusals_of_disks("Redis")
        };
        for old in ["6.2.21", "7.0.15", "7.1.0"] {
            let refusal = of(old, 1).unwrap();
            assert!(refusal.contains(&format!("is Redis {old}, which")), "{refusal}");
            assert!(refusal.contains("Run Redis 7.2 or newer"), "{refusal}");
        }
        for new in ["7.2.4", "7.10.0", "8.0.0", "another", ""] {
            assert_eq!(of(new, 1), None, "{new}");
            assert!(of(new, 0).unwrap().contains("Set `appendonly yes`"), "{new}");
        }
        let info = "redis_version:8.0.0\r\naof_enabled:1\r\n";
        for (sync, confirms) in [("always", true), ("everysec", true), ("no", false)] {
            let refusal = settings(info, &[("appendfsync", sync)]).refusals_of_disks("Redis");
            assert_eq!(refusal.is_none(), confirms, "{refusal:?}");
        }
    }

    #[test]
    fn what_a_confirmation_waits_for_in_vain_is_said() {
        let asked = |millis| {
            let within = Duration::from_millis(millis);
            Asked { replicas: 2, within, is_on_disks: true }
        };
        for (connected, missing) in [("0", true), ("1", true), ("2", false), ("3", false)] {
            let info = format!("connected_slaves:{connected}\r\n");
            let lacks = settings(&info, &[]).lacks_replicas("Redis", asked(100));
            assert_eq!(lacks.is_some(), missing, "{lacks:?}");
        }
        for (sync, millis, late) in
            [("everysec", 1_000, true), ("everysec", 2_000, false), ("always", 100, false)]
        {
            let settings = settings("", &[("appendfsync", sync)]);
            let warnings = settings.warnings_of_disks("Redis", asked(millis));
            assert_eq!(warnings.len(), usize::from(late), "{warnings:?}");
        }
        let rewriting = [("appendfsync", "always"), ("no-appendfsync-on-rewrite", "yes")];
        let settings = settings("aof_enabled:1\r\n", &rewriting);
        let mut warnings = settings.warnings_of_disks("Redis", asked(100));
        warnings.extend(settings.warnings("Redis"));
        let [of_disks, of_restart] = &warnings[..] else { panic!("{warnings:?}") };
        for warning in [of_disks, of_restart] {
            assert!(warning.contains("`no-appendfsync-on-rewrite no`"), "{warning}");
        }
        assert!(of_restart.contains("begun to rewrite its file"), "{of_restart}");
    }

    #[test]
    fn what_a_restart_undoes_is_said() {
        let on = "aof_enabled:1\r\n";
        assert_eq!(settings(on, &[("appendfsync", "always")]).warnings("Redis"), [""; 0]);
        for (info, config, undone) in [
            (on, vec![("appendfsync", "everysec")], "the last second"),
            (on, vec![("appendfsync", "no")], "30 seconds"),
            (on, vec![], "does not show"),
            ("aof_enabled:0\r\n", vec![("save", "")], "ends all sessions"),
            ("aof_enabled:0\r\n", vec![("save", "3600 1")], "the last snapshot"),
        ] {
            let warnings = settings(info, &config).warnings("Redis");
            let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
            assert!(warning.contains(undone), "{warning}");
            assert!(warning.contains("`appendfsync always`"), "{warning}");
        }
    }
}
