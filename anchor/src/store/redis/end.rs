//! The verbs that end sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::RedisError;

use super::codec::subject_number;
use super::create::{home_of, shards};
use super::database::{AT_ONCE, Arguments, Database, distinct};
use super::end_log::place;
use super::failure::store_error;
use super::logouts::{Logout, Logouts};
use super::reply::{id_in_key, unexpected};
use super::row::{ends_on_change, log_undecodable, name_of_subject};
use super::script;
use super::servers::Node;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::gather::Gather;
use crate::store::{Consumed, EndReason, Ending};
use crate::token::{LastingHash, SecretHash};

impl Database {
    /// Ends one session, with others that are ended at the same time if that is possible.
    pub(super) async fn revoke(
        &self,
        logouts: &Arc<Gather<Logouts>>,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let does_nothing_else = self.keep.is_none() && self.confirmation.is_none();
        match proof {
            Some(proof) if does_nothing_else && self.connection.takes_plain_commands() => {
                logouts.get(Logout { id, proof, reason }).await
            }
            _ => self.end(id, proof, None, reason).await,
        }
    }

    /// Ends one session by the script. A subject, if given, must be its subject.
    pub(super) async fn end(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        subject: Option<String>,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let arguments = Arguments::of(id)
            .text(reason.as_str())
            .maybe_hash(proof.as_ref().map(LastingHash::as_bytes))
            .text(subject.unwrap_or_default());
        match self.call_end(&script::END, id.placement(), arguments).await?.word()?.as_str() {
            "ended" => Ok(Ending::Ended),
            "not_live" => Ok(Ending::NotLive),
            "unproven" => Ok(Ending::Unproven),
            _ => Err(unexpected()),
        }
    }

    /// Ends a live session, and returns its last payload.
    pub(super) async fn consume<T: SessionData>(
        &self,
        id: SessionId,
        secret: SecretHash,
    ) -> Result<Consumed<T>, StoreError> {
        let arguments = Arguments::of(id)
            .hash(secret.as_bytes())
            .text(EndReason::Consumed.as_str())
            .text(distinct())
            .texts(&self.names);
        let mut reply = self.call_end(&script::CONSUME, id.placement(), arguments).await?;
        match reply.word()?.as_str() {
            "ended" => {}
            "conflict" => return Ok(Consumed::Conflict),
            "gone" => return Ok(Consumed::Gone),
            _ => return Err(unexpected()),
        }
        let fields = reply.fields(&self.names)?;
        let last = fields.own().and_then(|own| fields.record::<T>(&own, id));
        Ok(match last {
            Ok(last) => Consumed::Ended(last.data),
            Err(error) => {
                if !ends_on_change(T::schema(), &error) {
                    log_undecodable(T::schema(), id, &error);
                }
                Consumed::Gone
            }
        })
    }

    pub(super) async fn end_of<T: SessionData>(
        &self,
        subject: &T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let Some(subject) = name_of_subject::<T>(subject)? else { return Ok(Ending::NotLive) };
        self.end(id, None, Some(subject), reason).await
    }

    /// Ends the sessions of a subject except `spared`, and returns how many were live.
    pub(super) async fn end_subject<T: SessionData>(
        &self,
        subject: &T::Subject,
        spared: Option<SessionId>,
        reason: EndReason,
        is_cut_off: bool,
    ) -> Result<u64, StoreError> {
        let Some(subject) = name_of_subject::<T>(subject)? else { return Ok(0) };
        let arguments = |cut_off: &str| {
            Arguments::default()
                .subject(Some(&subject))
                .text(reason.as_str())
                .text(spared.map_or_else(String::new, |id| id.to_string()))
                .text(cut_off)
        };
        self.log_end(&subject).await?;
        let home = home_of(&subject);
        let cut_off = if is_cut_off { "now" } else { "" };
        let mut reply = self.call_end(&script::END_SUBJECT, home, arguments(cut_off)).await?;
        let (mut count, at): (u64, _) = (reply.read()?, reply.word()?);
        for away in shards(reply.rest()?)? {
            count +=
                self.call_end(&script::END_SUBJECT, away, arguments(&at)).await?.read::<u64>()?;
        }
        Ok(count)
    }

    /// Records that the sessions of a subject are being ended, for those that the index has lost.
    /// In a cluster, each load asks the index.
    async fn log_end(&self, subject: &str) -> Result<(), StoreError> {
        if self.connection.is_cluster() {
            return Ok(());
        }
        let mut call = script::LOG_END.prepare_invoke();
        call.key(self.keys.ends()).arg(place(subject_number(subject)));
        let logged = self.connection.call(&call, script::when_replaced(&script::LOG_END)).await;
        logged.map(drop).map_err(|error| store_error(&self.server, &error))
    }

    /// Ends every session, and returns how many were live.
    ///
    /// The cursor of a scan means other keys in another process: after a restart, or on the
    /// replica that has taken a primary's place. Then it begins again.
    pub(super) async fn end_everyone(&self, reason: EndReason) -> Result<u64, StoreError> {
        let (mut count, mut processes) = (0, self.processes().await?);
        for _ in 0..PASSES {
            for primary in processes.keys() {
                count += self.end_all_on(primary, reason).await?;
            }
            let after = self.processes().await?;
            if after == processes {
                return Ok(count);
            }
            processes = after;
        }
        Err(StoreError::unavailable(format!(
            "{} was restarted, or another server has taken its place, each of the {PASSES} times \
             that its sessions were looked for: {count} have ended, and others may be left",
            self.server
        )))
    }

    /// Ends the sessions that a scan of a server finds, and returns how many were live.
    async fn end_all_on(&self, primary: &Node, reason: EndReason) -> Result<u64, StoreError> {
        let (mut count, mut cursor, pattern) = (0, 0, self.keys.sessions());
        loop {
            let page = self.connection.scan(primary, cursor, &pattern).await;
            let (next, keys) = page.map_err(|error| store_error(&self.server, &error))?;
            let ids = keys.iter().filter_map(|key| id_in_key(key)).collect();
            let ended = self.for_each(AT_ONCE, ids, |database: Self, id| async move {
                database.end(id, None, None, reason).await
            });
            count += ended.await?.into_iter().map(Ending::count).sum::<u64>();
            cursor = next;
            if cursor == 0 {
                return Ok(count);
            }
        }
    }

    /// Returns the servers that hold sessions, each with the name that Redis gives its process.
    async fn processes(&self) -> Result<BTreeMap<Node, String>, StoreError> {
        let failed = |error: RedisError| store_error(&self.server, &error);
        let mut processes = BTreeMap::new();
        for primary in self.connection.primaries().await.map_err(failed)? {
            let mut info = redis::cmd("INFO");
            info.arg("server");
            let info: String = self.connection.ask(&primary, info).await.map_err(failed)?;
            let name = info.lines().find_map(|line| line.strip_prefix("run_id:"));
            processes.insert(primary, name.ok_or_else(unexpected)?.to_owned());
        }
        Ok(processes)
    }
}

/// How often the sessions of all subjects are looked for, while servers are restarted.
const PASSES: u32 = 10;
