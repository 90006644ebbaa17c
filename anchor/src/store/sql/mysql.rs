//! MySQL and MariaDB: instants are DATETIME(6) in UTC and travel as microseconds, whatever the session's time zone; UUIDs are 16 bytes.

use sqlx::mysql::{MySqlArguments, MySqlPool, MySqlQueryResult, MySqlRow, MySqlValueRef};
use sqlx::{
    Arguments, AssertSqlSafe, Connection, Decode, Executor, MySql, Row, Type, TypeInfo, ValueRef,
};
use uuid::Uuid;

use super::driver::{Driver, Query, mistyped};
use crate::column::{ColumnError, ColumnType};
use crate::schema::Dialect;
use crate::timestamp::Timestamp;
use crate::value::Value;

impl Driver for MySqlPool {
    const DIALECT: Dialect = Dialect::MySql;

    type Row = MySqlRow;

    async fn rows(&self, query: &Query) -> Result<Vec<MySqlRow>, sqlx::Error> {
        sqlx::query_with(query.sql.clone(), arguments(query)?).fetch_all(self).await
    }

    async fn execute(&self, write: &Query) -> Result<u64, sqlx::Error> {
        let done = sqlx::query_with(write.sql.clone(), arguments(write)?).execute(self).await?;
        Ok(done.rows_affected())
    }

    async fn instant(&self, write: &Query) -> Result<Option<Timestamp>, sqlx::Error> {
        let write = sqlx::query_with(write.sql.clone(), arguments(write)?);
        Ok(reported(&write.execute(self).await?))
    }

    async fn replace(
        &self,
        delete: &Query,
        insert: &Query,
    ) -> Result<Option<Timestamp>, sqlx::Error> {
        let mut connection = self.acquire().await?;
        // At MySQL's own level, a DELETE of a row that is gone locks the gap where it would be, and logins deadlock on each other's.
        (&mut *connection).execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        let mut transaction = connection.begin().await?;
        let delete = sqlx::query_with(delete.sql.clone(), arguments(delete)?);
        delete.execute(&mut *transaction).await?;
        let insert = sqlx::query_with(insert.sql.clone(), arguments(insert)?);
        let done = insert.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(reported(&done))
    }

    async fn define(&self, _: &'static str, statements: Vec<String>) -> Result<(), sqlx::Error> {
        // DDL commits by itself, and the server's metadata lock lets one node at a time create the table.
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(self).await?;
        }
        Ok(())
    }

    fn cell(row: &MySqlRow, index: usize, ty: ColumnType) -> Result<Value, ColumnError> {
        let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
        if cell.is_null() {
            return Ok(Value::Null);
        }
        Ok(match ty {
            ColumnType::Bool => match decoded::<i64>(cell, ty)? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(mistyped(ty, "another integer than 0 and 1")),
            },
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
                Value::Int(decoded(cell, ty)?)
            }
            ColumnType::Timestamp => Value::Timestamp(Timestamp::from_micros(decoded(cell, ty)?)),
            ColumnType::Real | ColumnType::Double => Value::Float(decoded(cell, ty)?),
            ColumnType::Text | ColumnType::Enum(_) => Value::Text(decoded(cell, ty)?),
            // MySQL has a type of its own for JSON, MariaDB has text.
            ColumnType::Json if cell.type_info().name() == "JSON" => Value::Json(
                <String as Decode<MySql>>::decode(cell).map_err(|_| mistyped(ty, "other bytes"))?,
            ),
            ColumnType::Json => Value::Json(decoded(cell, ty)?),
            ColumnType::Ip => {
                let text: String = decoded(cell, ty)?;
                Value::Ip(text.parse().map_err(|_| mistyped(ty, "other text"))?)
            }
            ColumnType::Bytes => Value::Bytes(decoded(cell, ty)?),
            ColumnType::Uuid => {
                let bytes: Vec<u8> = decoded(cell, ty)?;
                Value::Uuid(Uuid::from_slice(&bytes).map_err(|_| mistyped(ty, "other bytes"))?)
            }
        })
    }
}

fn decoded<'r, V: Decode<'r, MySql> + Type<MySql>>(
    cell: MySqlValueRef<'r>,
    ty: ColumnType,
) -> Result<V, ColumnError> {
    let found = cell.type_info().into_owned();
    if !V::compatible(&found) {
        return Err(mistyped(ty, found.name()));
    }
    V::decode(cell).map_err(|_| mistyped(ty, found.name()))
}

/// The number that came with the server's answer, if the write met a row.
fn reported(done: &MySqlQueryResult) -> Option<Timestamp> {
    let micros = i64::try_from(done.last_insert_id()).ok()?;
    (done.rows_affected() > 0).then(|| Timestamp::from_micros(micros))
}

fn arguments(query: &Query) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    for (ty, value) in &query.arguments {
        match value {
            Value::Null => match ty {
                ColumnType::Text | ColumnType::Enum(_) | ColumnType::Json | ColumnType::Ip => {
                    arguments.add(None::<String>)
                }
                ColumnType::Bytes | ColumnType::Uuid => arguments.add(None::<Vec<u8>>),
                ColumnType::Real | ColumnType::Double => arguments.add(None::<f64>),
                _ => arguments.add(None::<i64>),
            },
            Value::Bool(value) => arguments.add(i64::from(*value)),
            Value::Int(value) => arguments.add(*value),
            Value::Float(value) => arguments.add(*value),
            Value::Text(value) | Value::Json(value) => arguments.add(value.as_str()),
            Value::Bytes(value) => arguments.add(value.as_slice()),
            Value::Uuid(value) => arguments.add(value.as_bytes().as_slice()),
            Value::Ip(value) => arguments.add(value.to_string()),
            Value::Timestamp(value) => arguments.add(value.as_micros()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
