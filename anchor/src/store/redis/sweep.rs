//! `sweep`: what key expiry does not do by itself. Only the shards that have something due are
//! looked at.

use std::mem;
use std::sync::{MutexGuard, PoisonError};

use super::database::{AT_ONCE, Arguments, Database};
use super::script;
use crate::error::StoreError;
use crate::payload::SessionData;
use crate::store::Placement;

impl Database {
    pub(super) async fn sweep<T: SessionData>(&self, batch: u32) -> Result<u64, StoreError> {
        let options = T::schema().options;
        let (batch, mut swept) = (u64::from(batch), 0);
        // Redis removes expired sessions. Ended ones are swept only if they are kept, or if they
        // never were live.
        if !options.keep_ended && !options.cut_off {
            return Ok(0);
        }
        // What an earlier batch has left.
        let mut due = mem::take(&mut *self.due());
        let mut is_asked = false;
        while swept < batch {
            let Some(shard) = due.pop() else {
                if is_asked {
                    break;
                }
                (due, is_asked) = (self.due_shards().await?, true);
                continue;
            };
            let arguments = Arguments::default().text((batch - swept).to_string());
            let mut reply = match self.call(&script::SWEEP, shard, arguments).await {
                Ok(reply) => reply,
                Err(error) => {
                    // The others are due all the same.
                    *self.due() = due;
                    return Err(error);
                }
            };
            swept += reply.read::<u64>()?;
            if reply.word()? == "more" {
                due.push(shard);
            }
        }
        *self.due() = due;
        Ok(swept)
    }

    /// The shards that a sweep has found due and has not finished.
    fn due(&self) -> MutexGuard<'_, Vec<Placement>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the shards that have something due. Many are asked at the same time.
    async fn due_shards(&self) -> Result<Vec<Placement>, StoreError> {
        let now = self.now(Placement::new(0)).await?.as_micros();
        let shards = (0..Placement::COUNT).map(Placement::new).collect();
        let due = self.for_each(AT_ONCE, shards, |database: Self, shard| async move {
            let mut count = redis::cmd("ZCOUNT");
            count.arg(format!("{}due", database.keys.shard(shard))).arg("-inf").arg(now);
            let count: u64 = database.read(&count).await?;
            Ok((count > 0).then_some(shard))
        });
        Ok(due.await?.into_iter().flatten().collect())
    }
}
