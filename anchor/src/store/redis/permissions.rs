//! Whether the server permits what the store does.

use redis::{Pipeline, RedisError, Value};

use super::database::{Arguments, Database};
use super::failure::store_error;
use super::reply::refused;
use super::script;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::store::Placement;

impl Database {
    /// Fails if the server does not permit a command that the store or a script sends, if it is one
    /// of a cluster, or if another program has a key of the store's.
    pub(super) async fn is_permitted(&self) -> Result<(), StoreError> {
        let shard = self.keys.shard(Placement::new(0));
        // No session has this name, so there is nothing to read, to remove or to rename.
        let none = format!("{shard}session:");
        let mut commands = Pipeline::new();
        for name in ["EXISTS", "DEL", "PTTL", "GET"] {
            commands.cmd(name).arg(&none);
        }
        for name in ["HGET", "HMGET", "HDEL", "ZREM", "ZSCORE", "ZRANDMEMBER", "PEXPIREAT"] {
            commands.cmd(name).arg(&none).arg(1);
        }
        for name in ["ZRANGE", "ZRANGEBYSCORE", "ZREMRANGEBYSCORE", "ZCOUNT"] {
            commands.cmd(name).arg(&none).arg(0).arg(0);
        }
        commands.cmd("ZADD").arg(&none).arg("XX").arg(1).arg(1);
        commands.cmd("SET").arg(&none).arg("").arg("XX");
        commands.cmd("TIME");
        if self.connection.takes_plain_commands() {
            commands.cmd("ZRANGEBYSCORE").arg(self.keys.ends()).arg(0).arg(0);
            // One server of a cluster has only some of the shards.
            for number in 0..16 {
                let shard = self.keys.shard(Placement::new(number));
                commands.cmd("EXISTS").arg(format!("{shard}session:"));
            }
            commands.cmd("MULTI");
            commands.cmd("EXEC");
            commands.cmd("RENAMENX").arg(format!("{shard}new:")).arg(&none);
        }
        // The only one that writes something, which is removed at once.
        commands.cmd("HSET").arg(&none).arg("@gone").arg(0);
        commands.cmd("DEL").arg(&none);
        let failed = |error: RedisError| store_error(&self.server, &error);
        let answers = self.connection.run_together(&shard, &commands).await.map_err(failed)?;
        let mut refusals = answers.into_iter().filter_map(|it: Value| refused(it).err());
        // That of `EXEC` has another code, and says this one.
        let is_refusal = |error: &RedisError| {
            matches!(error.code(), Some("NOPERM" | "MOVED" | "CROSSSLOT" | "WRONGTYPE"))
                || error.to_string().contains("NOPERM")
        };
        if let Some(error) = refusals.find(is_refusal) {
            return Err(failed(error));
        }
        let arguments = Arguments::of(SessionId::from_uuid(uuid::Uuid::nil())).texts(&self.names);
        self.call(&script::LOAD, Placement::new(0), arguments).await.map(drop)
    }
}
