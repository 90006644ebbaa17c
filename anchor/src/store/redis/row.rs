//! A session's hash: the fields that a verb writes, and how they are read back.
//!
//! A field that the hash lacks was written by an earlier release of the struct: nothing migrates
//! the hashes. So what a migration would do is done when a field is read. Names that changed hands,
//! as when two columns swap theirs, are too much for that: sessions from before it have ended.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use super::codec::{NULL, decode, encode, literal, maybe, plain_name};
use super::own::{OWN, Own, new_entries};
use crate::column::{Column, ColumnError, ColumnType, Value};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{Columns, DecodeError, Decoder, EncodeError, Encoder, SessionData};
use crate::schema::{ColumnSchema, OnChange, Schema};
use crate::store::{ClientInfo, EndReason, EndStatus, EndedRecord, Loaded, NewSession, Record};
use crate::timestamp::Timestamp;

/// What a script writes into a hash: fields to set, and fields to remove.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) set: Vec<(&'static str, Vec<u8>)>,
    pub(super) removed: Vec<&'static str>,
}

impl Changes {
    fn write(&mut self, name: &'static str, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.set.push((name, value)),
            None => self.removed.push(name),
        }
    }

    /// Writes a column of the payload.
    fn column(
        &mut self,
        schema: &Schema,
        column: &ColumnSchema,
        value: &Value,
    ) -> Result<(), EncodeError> {
        let text = encode(column.ty, value);
        let text = text.map_err(|reason| EncodeError::new(column.name, reason))?;
        self.set.push((column.name, text.unwrap_or_else(|| NULL.to_vec())));
        // What an earlier release wrote is no longer the column's value.
        self.removed.extend(earlier_name(schema, column));
        Ok(())
    }

    /// Writes where a session was used from, if the table tracks it.
    pub(super) fn client(&mut self, schema: &Schema, client: Option<&ClientInfo>) {
        if let Some(client) = client.filter(|_| schema.options.track) {
            self.write("ip_address", client.ip().map(|ip| ip.to_string().into_bytes()));
            self.write("user_agent", client.user_agent().map(|agent| agent.as_bytes().to_vec()));
        }
    }
}

/// Returns the earlier name of a column, unless it is the name of a column again.
fn earlier_name(schema: &Schema, column: &ColumnSchema) -> Option<&'static str> {
    column.renamed_from.filter(|earlier| !is_column(schema, earlier))
}

fn is_column(schema: &Schema, name: &str) -> bool {
    schema.columns.iter().any(|column| column.name == name)
}

fn is_variant(column: &ColumnSchema, word: &str) -> bool {
    matches!(column.ty, ColumnType::Enum(words) if words.contains(&word))
}

/// Returns the earlier names that are names again, of columns and of variants, each with its
/// column.
fn taken_names(schema: &'static Schema) -> Vec<(&'static ColumnSchema, String)> {
    let mut taken = Vec::new();
    for column in schema.columns {
        let ColumnSchema { name, renamed_from, renamed_variants, .. } = column;
        let earlier = renamed_from.filter(|earlier| is_column(schema, earlier));
        taken.extend(earlier.map(|earlier| (column, format!("{earlier} {name}"))));
        let earlier = renamed_variants.iter().filter(|(earlier, _)| is_variant(column, earlier));
        let words = earlier.map(|(earlier, now)| (column, format!("{name}: {earlier} {now}")));
        taken.extend(words);
    }
    taken
}

/// Returns the names that have changed hands; `None` if none have.
fn all_taken_names(schema: &'static Schema) -> Option<String> {
    let mut names: Vec<_> = taken_names(schema).into_iter().map(|(_, names)| names).collect();
    // The order of the struct's fields means nothing.
    names.sort();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Returns the fields of a whole payload.
pub(super) fn payload_fields<T: SessionData>(data: &T) -> Result<Changes, EncodeError> {
    let (mut changes, schema) = (Changes::default(), T::schema());
    for (column, value) in schema.columns.iter().zip(&Encoder::values_of(data)?) {
        changes.column(schema, column, value)?;
    }
    Ok(changes)
}

/// Returns the fields in which two payloads differ.
pub(super) fn differing_fields<T: SessionData>(from: &T, to: &T) -> Result<Changes, EncodeError> {
    let (mut changes, schema) = (Changes::default(), T::schema());
    let (from, to) = (Encoder::values_of(from)?, Encoder::values_of(to)?);
    for (column, (from, to)) in schema.columns.iter().zip(from.iter().zip(&to)) {
        if from != to {
            changes.column(schema, column, to)?;
        }
    }
    Ok(changes)
}

/// Returns how keys name a subject; `None` for `NULL`, which is not a subject, as in SQL.
pub(super) fn name_of_subject<T: SessionData>(
    subject: &T::Subject,
) -> Result<Option<String>, StoreError> {
    let column = T::schema().subject().map_or("subject", |(_, column)| column.name);
    let text = subject.to_value().and_then(|value| encode(T::Subject::TYPE, &value));
    let text = text.map_err(|reason| EncodeError::new(column, reason))?;
    Ok(text.as_deref().map(plain_name))
}

/// Returns the names of the fields from which a session is read, in the order in which they are
/// read.
pub(super) fn field_names(schema: &'static Schema) -> Arc<[String]> {
    let mut names = vec![OWN];
    if schema.options.track {
        names.extend(["ip_address", "user_agent"]);
    }
    for column in schema.columns {
        names.push(column.name);
        names.extend(earlier_name(schema, column));
    }
    names.into_iter().map(str::to_owned).collect()
}

/// The fields of a hash.
pub(super) struct Fields {
    names: Arc<[String]>,
    /// In the order of the names.
    values: Vec<Option<Vec<u8>>>,
    /// Where the next field probably is.
    next: Cell<usize>,
}

impl Fields {
    pub(super) fn new(names: Arc<[String]>, values: Vec<Option<Vec<u8>>>) -> Self {
        Self { names, values, next: Cell::new(0) }
    }

    /// Returns whether there is no such hash.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        let (before, after) = self.names.split_at(self.next.get());
        let steps = after.iter().chain(before).position(|other| other == name)?;
        let at = (self.next.get() + steps) % self.names.len();
        self.next.set((at + 1) % self.names.len());
        self.values.get(at)?.as_deref()
    }

    /// Reads what anchor itself keeps of the session.
    pub(super) fn own(&self) -> Result<Own<'_>, DecodeError> {
        let absent = || DecodeError::new(OWN, ColumnError::new("the session has no such field"));
        Own::of(self.get(OWN).ok_or_else(absent)?)
    }

    fn client(&self, schema: &Schema) -> Result<Option<ClientInfo>, DecodeError> {
        if !schema.options.track {
            return Ok(None);
        }
        let ip: Option<IpAddr> = maybe("ip_address", self.get("ip_address"))?;
        let user_agent: Option<String> = maybe("user_agent", self.get("user_agent"))?;
        let known = ip.is_some() || user_agent.is_some();
        Ok(known.then(|| ClientInfo::new(ip, user_agent.as_deref())))
    }

    pub(super) fn record<T: SessionData>(
        &self,
        own: &Own<'_>,
        id: SessionId,
    ) -> Result<Record<T>, DecodeError> {
        check_names(own, T::schema())?;
        let times = own.times()?;
        Ok(Record {
            id,
            created_at: times.created_at,
            authenticated_at: times.authenticated_at,
            last_seen_at: times.last_seen_at,
            expires_at: times.expires_at,
            deadline: times.deadline,
            version: own.version()?,
            remembered: own.remembered()?,
            client: self.client(T::schema())?,
            data: Arc::new(Decoder::payload_of(&mut Payload(self, T::schema()))?),
        })
    }

    pub(super) fn loaded<T: SessionData>(
        &self,
        own: &Own<'_>,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Loaded<T>, DecodeError> {
        let secrets = own.secrets()?;
        let fingerprint = match T::schema().options.fingerprint {
            true => own.fingerprint()?,
            false => None,
        };
        let record = self.record::<T>(own, id)?;
        check_subject(own, &*record.data)?;
        Ok(Loaded { record: Arc::new(record), secrets, fingerprint, now })
    }

    /// Reads a session that ended at this instant.
    pub(super) fn ended<T: SessionData>(
        &self,
        own: &Own<'_>,
        id: SessionId,
        ended_at: Timestamp,
    ) -> Result<EndedRecord<T>, DecodeError> {
        let status = match own.status() {
            Some("expired") => EndStatus::Expired,
            None if !own.has_end() => EndStatus::Expired,
            _ => EndStatus::Revoked,
        };
        let reason = own.end_reason().and_then(EndReason::from_word);
        Ok(EndedRecord { record: self.record(own, id)?, status, ended_at, reason })
    }
}

/// Checks that the names in the hash mean what they mean in the struct. Where names have changed
/// hands, a column of another release has another one's values.
fn check_names(own: &Own<'_>, schema: &'static Schema) -> Result<(), DecodeError> {
    let (found, declared) = (own.taken_names(), all_taken_names(schema));
    if found == declared.as_deref().map(|names| plain_name(names.as_bytes())).as_deref() {
        return Ok(());
    }
    let column = taken_names(schema).first().map_or(OWN, |(column, _)| column.name);
    let reason = match declared {
        Some(_) => "the session was begun before its earlier name was given to another",
        None => "it was begun when names had changed hands: keep each `renamed_from`",
    };
    Err(DecodeError::new(column, ColumnError::new(reason)))
}

/// Checks that the session is among those of its subject. If another field is the subject since the
/// login, it is not, and nobody would find it to end it.
fn check_subject<T: SessionData>(own: &Own<'_>, data: &T) -> Result<(), DecodeError> {
    let (Some((_, column)), Some(subject)) = (T::schema().subject(), data.subject()) else {
        return Ok(());
    };
    let named = name_of_subject::<T>(subject).ok().flatten();
    if named.as_deref() == own.subject() {
        return Ok(());
    }
    let reason = ColumnError::new("the session was begun with another subject");
    Err(DecodeError::new(column.name, reason))
}

/// Returns what the caller knows of a new session: the entries that follow its times, and the
/// fields.
pub(super) fn new_fields<T: SessionData>(
    new: &NewSession<T>,
    subject: Option<&str>,
) -> Result<(String, Changes), EncodeError> {
    let mut fields = payload_fields(&*new.data)?;
    fields.client(T::schema(), new.client.as_ref());
    // A new hash has nothing to remove.
    fields.removed.clear();
    Ok((new_entries(new, all_taken_names(T::schema()).as_deref(), subject), fields))
}

/// Reads the payload's part of a hash.
struct Payload<'f>(&'f Fields, &'static Schema);

impl Columns for Payload<'_> {
    fn take(&mut self, _: usize, column: &ColumnSchema) -> Result<Value, ColumnError> {
        let Self(fields, schema) = self;
        if let Some(field) = fields.get(column.name) {
            return value_of(column, field);
        }
        if let Some(field) = earlier_name(schema, column).and_then(|earlier| fields.get(earlier)) {
            return value_of(column, field);
        }
        match column.default {
            Some(default) => literal(column.ty, default).ok_or_else(|| {
                ColumnError::new(format_args!(
                    "the session is older than the column, whose default `{}` is not a literal",
                    default
                ))
            }),
            None if column.nullable => Ok(Value::Null),
            None => Err(ColumnError::new(
                "the session is older than the column: give the field a `default`",
            )),
        }
    }
}

/// Reads a field of the payload. A variant that was renamed is read under its new name.
fn value_of(column: &ColumnSchema, field: &[u8]) -> Result<Value, ColumnError> {
    if field == NULL {
        return Ok(Value::Null);
    }
    let value = decode(column.ty, field)?;
    if let (ColumnType::Enum(_), Value::Text(word)) = (column.ty, &value) {
        let mut renamed = column.renamed_variants.iter();
        let renamed = renamed.find(|(earlier, _)| earlier == word && !is_variant(column, earlier));
        if let Some((_, now)) = renamed {
            return Ok(Value::Text((*now).to_owned()));
        }
    }
    Ok(value)
}

/// Returns whether the struct says that sessions end which a change of this column leaves without a
/// value.
pub(super) fn ends_on_change(schema: &Schema, error: &DecodeError) -> bool {
    let column = { schema.columns }.iter().find(|column| column.name == error.column());
    column.is_some_and(|column| column.on_change == OnChange::EndSessions)
}

/// Logs a live session that the struct cannot decode.
pub(super) fn log_undecodable(schema: &Schema, id: SessionId, error: &DecodeError) {
    tracing::warn!(
        target: "anchor",
        table = schema.table,
        %id,
        column = error.column(),
        "a live session cannot be decoded and counts as ended: {error}"
    );
}
