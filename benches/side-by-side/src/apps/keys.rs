//! The sessions of the hand-written applications in Redis: one key per session, and one command per
//! verb.

use redis::aio::MultiplexedConnection;

use super::rows::{Answer, Id, LIFETIME_SECONDS, Row, Rows};

/// A connection that all requests share.
#[derive(Clone)]
pub(super) struct Keys(MultiplexedConnection);

impl From<MultiplexedConnection> for Keys {
    fn from(connection: MultiplexedConnection) -> Self {
        Self(connection)
    }
}

fn key(id: &Id) -> Vec<u8> {
    [b"by_hand:".as_slice(), id].concat()
}

fn keys(ids: &[Id]) -> Vec<Vec<u8>> {
    ids.iter().map(key).collect()
}

/// Reads `<user_id> <name>`.
fn row(value: &str) -> Option<Row> {
    let (user_id, name) = value.split_once(' ')?;
    Some(Row { user_id: user_id.parse().ok()?, name: name.to_owned() })
}

impl Rows for Keys {
    /// Redis has no tables.
    async fn create_table(&self) -> Answer<()> {
        Ok(())
    }

    async fn select(&self, id: Id) -> Answer<Option<Row>> {
        let mut get = redis::cmd("GET");
        let value: Option<String> = get.arg(key(&id)).query_async(&mut self.0.clone()).await?;
        Ok(value.as_deref().and_then(row))
    }

    async fn select_many(&self, ids: &[Id]) -> Answer<Vec<(Id, Row)>> {
        let mut get = redis::cmd("MGET");
        let values: Vec<Option<String>> =
            get.arg(keys(ids)).query_async(&mut self.0.clone()).await?;
        let rows = ids.iter().zip(&values);
        Ok(rows.filter_map(|(id, value)| Some((*id, row(value.as_deref()?)?))).collect())
    }

    async fn insert_many(&self, rows: &[(Id, Row)]) -> Answer<()> {
        let mut together = redis::pipe();
        for (id, row) in rows {
            let set = together.cmd("SET").arg(key(id)).arg(format!("{} {}", row.user_id, row.name));
            set.arg("EX").arg(LIFETIME_SECONDS).ignore();
        }
        Ok(together.exec_async(&mut self.0.clone()).await?)
    }

    async fn delete_many(&self, ids: &[Id]) -> Answer<()> {
        Ok(redis::cmd("DEL").arg(keys(ids)).exec_async(&mut self.0.clone()).await?)
    }

    async fn extend(&self, id: Id) -> Answer<()> {
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(key(&id)).arg(LIFETIME_SECONDS);
        Ok(expire.exec_async(&mut self.0.clone()).await?)
    }
}
