//! A store whose [`RecordUses`] is broken on purpose, as [`naive`](crate::naive) is.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use anchor::store::{ClientInfo, Load, RecordUses, SessionStore, StoreFuture, Use};
use anchor::{SessionData, SessionId, SqliteStore, StoreError, Timestamp};
use sqlx::{AssertSqlSafe, SqlitePool};

use crate::{Watched, databases};

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is its own sentence")]
pub enum Lateness {
    Nothing,
    UsesRevive,
    UsesPassTheDeadline,
    UsesGoBackwards,
    UsesCountFromTheWrite,
    UsesRaiseTheVersion,
    UsesAreMixedUp,
    UsesOfOthersAreLost,
    UsesAtOnceAreLost,
    UsesAtOnceReportEachOthers,
    UsesEscapeCutOffs,
    UsesReportTheEnded,
    UsesReportNothing,
    ClientsAreMixedUp,
    UsesForgetTheClient,
    UsesForgetTheClientOfAnEarlierUse,
    UsesEraseTheClient,
}

use Lateness as Fault;

/// An empty SQLite store that records uses with this fault.
pub async fn store<T: SessionData>(fault: Lateness) -> Watched<T> {
    let pool = databases::sqlite().await;
    let store = Arc::new(SqliteStore::<T>::new(pool.clone()));
    store.migrate().await.expect("SQLite makes the table");
    let late = LateUses { fault, pool, store: Arc::clone(&store), under_way: Mutex::default() };
    Watched::new(store as _).recording_uses_with(late)
}

struct LateUses<T> {
    fault: Lateness,
    pool: SqlitePool,
    store: Arc<SqliteStore<T>>,
    /// The sessions whose uses are being recorded.
    under_way: Mutex<HashSet<SessionId>>,
}

impl<T: SessionData> LateUses<T> {
    /// Writes to the row of a session, whatever it is.
    async fn write(&self, id: SessionId, assignments: String) -> Result<(), StoreError> {
        let update = format!("UPDATE {} SET {assignments} WHERE id = ?", T::schema().table);
        let update = sqlx::query(AssertSqlSafe(update)).bind(id.as_uuid().as_bytes().to_vec());
        update.execute(&self.pool).await.map(drop).map_err(StoreError::unavailable)
    }

    async fn last_seen(&self, id: SessionId) -> Result<Option<Timestamp>, StoreError> {
        Ok(match self.store.load(id).await? {
            Load::Live(loaded) => Some(loaded.record.last_seen_at),
            _ => None,
        })
    }

    /// Changes what is recorded, as the fault does.
    async fn spoil(&self, uses: &mut Vec<Use>) -> Result<(), StoreError> {
        match self.fault {
            Fault::UsesCountFromTheWrite => {
                uses.iter_mut().for_each(|one| one.at = Timestamp::now())
            }
            Fault::UsesAreMixedUp | Fault::ClientsAreMixedUp => {
                let whose: Vec<_> = uses.iter().map(|one| (one.idle, one.client.clone())).collect();
                for (one, (idle, client)) in uses.iter_mut().zip(whose.into_iter().rev()) {
                    (one.idle, one.client) = (idle, client);
                }
            }
            Fault::UsesOfOthersAreLost => uses.truncate(64),
            Fault::UsesForgetTheClient => uses.iter_mut().for_each(|one| one.client = None),
            Fault::UsesForgetTheClientOfAnEarlierUse => {
                for one in uses {
                    if self.last_seen(one.id).await?.is_some_and(|last| one.at < last) {
                        one.client = None;
                    }
                }
            }
            Fault::UsesEraseTheClient => {
                for one in uses {
                    one.client.get_or_insert_with(|| ClientInfo::new(None, None));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl<T: SessionData> RecordUses for LateUses<T> {
    fn record_uses(&self, mut uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(async move {
            let asked: HashMap<_, _> = uses.iter().map(|one| (one.id, one.clone())).collect();
            let asked_ids: HashSet<_> = asked.keys().copied().collect();
            self.spoil(&mut uses).await?;
            let is_alone = {
                let mut under_way = self.under_way.lock().unwrap();
                let is_alone = under_way.is_empty();
                under_way.extend(asked.keys());
                is_alone
            };
            if self.fault == Fault::UsesAtOnceAreLost && !is_alone {
                return Ok(asked.into_keys().collect());
            }
            let recorder = self.store.uses_recorder().expect("SQLite records uses");
            let mut live = recorder.record_uses(uses).await?;
            for Use { id, at, idle, .. } in asked.values() {
                let until = at.saturating_add(*idle).as_micros();
                let at = at.as_micros();
                let assignments = match self.fault {
                    Fault::UsesRevive => "expires_at = deadline".to_owned(),
                    Fault::UsesPassTheDeadline => format!("expires_at = {until}"),
                    Fault::UsesGoBackwards => {
                        format!("last_seen_at = {at}, expires_at = min(deadline, {until})")
                    }
                    Fault::UsesRaiseTheVersion => "version = version + 1".to_owned(),
                    Fault::UsesEscapeCutOffs => format!("authenticated_at = {until}"),
                    _ => continue,
                };
                self.write(*id, assignments).await?;
            }
            match self.fault {
                Fault::UsesReportTheEnded => live = asked.into_keys().collect(),
                Fault::UsesReportNothing => live.clear(),
                Fault::UsesAtOnceReportEachOthers => {
                    live = self.under_way.lock().unwrap().iter().copied().collect();
                }
                _ => {}
            }
            self.under_way.lock().unwrap().retain(|id| !asked_ids.contains(id));
            Ok(live)
        })
    }
}
