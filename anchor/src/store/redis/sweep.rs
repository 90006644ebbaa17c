//! `sweep`: what key expiry does not do by itself. Only the shards that have something due are
//! looked at.

use redis::Value;

use super::database::{Arguments, Database};
use super::reply::unexpected;
use super::script;
use crate::error::StoreError;
use crate::payload::SessionData;
use crate::store::Placement;

/// How many shards are asked together whether something is due.
const ASKED_AT_ONCE: u16 = 1_024;

impl Database {
    pub(super) async fn sweep<T: SessionData>(&self, batch: u32) -> Result<u64, StoreError> {
        let options = T::schema().options;
        let (batch, mut swept) = (u64::from(batch), 0);
        // Redis removes expired sessions. Ended ones are swept only if they are kept, or if they
        // never were live.
        if !options.keep_ended && !options.cut_off {
            return Ok(0);
        }
        for shard in self.due_shards().await? {
            let mut more = true;
            while more && swept < batch {
                let arguments = Arguments::default().text((batch - swept).to_string());
                let mut reply = self.call(&script::SWEEP, shard, arguments).await?;
                swept += reply.read::<u64>()?;
                more = reply.word()? == "more";
            }
        }
        Ok(swept)
    }

    async fn due_shards(&self) -> Result<Vec<Placement>, StoreError> {
        let now = self.now().await?.as_micros();
        let mut due = Vec::new();
        for first in (0..Placement::COUNT).step_by(usize::from(ASKED_AT_ONCE)) {
            let shards = (first..first + ASKED_AT_ONCE).map(Placement::new);
            let count = |shard| {
                let mut command = redis::cmd("ZCOUNT");
                command.arg(format!("{}due", self.keys.shard(shard))).arg("-inf").arg(now);
                command
            };
            let counts = self.read_all(shards.clone().map(count).collect()).await?;
            for (shard, count) in shards.zip(counts) {
                match count {
                    Value::Int(0) => {}
                    Value::Int(_) => due.push(shard),
                    _ => return Err(unexpected()),
                }
            }
        }
        Ok(due)
    }
}
