//! `sweep`: what key expiry does not do by itself. Only the shards that have something due are
//! looked at.

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
