//! A session's hash: the fields that a verb writes, and how they are read back.
//!
//! A field that the hash lacks was written by an earlier release of the struct: nothing migrates
//! the hashes. So what a migration would do is done when a field is read. Names that changed hands,
//! as when two columns swap theirs, are too much for that: sessions from before it have ended.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use super::codec::{bytes_of_hex, decode, encode, hex, literal, subject_name, subject_number};
use crate::column::{Column, ColumnError, ColumnType, Value};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{Columns, DecodeError, Decoder, EncodeError, Encoder, SessionData};
use crate::schema::{ColumnSchema, OnChange, Schema};
use crate::store::{
    ClientInfo, EndReason, EndStatus, EndedRecord, Fingerprint, Loaded, NewSession, Record,
    RotationState, Secrets,
};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

/// What a script writes into a hash: fields to set, and fields to remove.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) set: Vec<(Cow<'static, str>, Vec<u8>)>,
    pub(super) removed: Vec<Cow<'static, str>>,
}

impl Changes {
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<Vec<u8>>) {
        self.set.push((Cow::Borrowed(name), value.into()));
    }

    fn write(&mut self, name: impl Into<Cow<'static, str>>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.set.push((name.into(), value)),
            None => self.removed.push(name.into()),
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
        if needs_null(schema, column) {
            self.write(null_field(column), text.is_none().then(|| b"true".to_vec()));
        }
        self.write(column.name, text);
        // What an earlier release wrote is no longer the column's value.
        if let Some(earlier) = earlier_name(schema, column) {
            self.removed.push(Cow::Borrowed(earlier));
        }
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

/// Returns whether a hash without this field might be of an earlier release, for which the column
/// has another value than `NULL`.
fn needs_null(schema: &Schema, column: &ColumnSchema) -> bool {
    let has_earlier = column.default.is_some() || earlier_name(schema, column).is_some();
    column.nullable && has_earlier
}

/// The field that has the number of the session's subject.
const SUBJECT_NUMBER: &str = "@subject_number";

/// The field that says which names have changed hands.
const TAKEN: &str = "@taken_names";

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

/// Returns the names that have changed hands, as a hash has them; `None` if none have.
fn taken_field(schema: &'static Schema) -> Option<String> {
    let mut names: Vec<_> = taken_names(schema).into_iter().map(|(_, names)| names).collect();
    // The order of the struct's fields means nothing.
    names.sort();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The field that says that a column is `NULL`.
fn null_field(column: &ColumnSchema) -> String {
    format!("@null:{}", column.name)
}

/// Returns the fields of a whole payload.
pub(super) fn payload_fields<T: SessionData>(data: &T) -> Result<Changes, EncodeError> {
    let (mut changes, schema) = (Changes::default(), T::schema());
    for (column, value) in schema.columns.iter().zip(&Encoder::values_of(data)?) {
        changes.column(schema, column, value)?;
    }
    if let Some(taken) = taken_field(schema) {
        changes.set(TAKEN, taken);
    }
    // A new hash has nothing to remove.
    changes.removed.clear();
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
    Ok(text.as_deref().map(subject_name))
}

/// Returns the names of the fields from which a session is read, in the order in which they are
/// read.
pub(super) fn field_names(schema: &'static Schema) -> Arc<[String]> {
    let secrets = ["rotation_state", "lasting_hash", "secret_hash", "previous_secret_hash"];
    let record = ["created_at", "authenticated_at", "last_seen_at", "deadline", "version"];
    let mut names = vec!["@ended_at", "expires_at", SUBJECT_NUMBER];
    names.extend(secrets);
    names.push("previous_secret_until");
    names.extend(schema.options.fingerprint.then_some("fingerprint"));
    names.push(TAKEN);
    names.extend(record);
    names.push("remembered");
    if schema.options.track {
        names.extend(["ip_address", "user_agent"]);
    }
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    for column in schema.columns {
        names.push(column.name.to_owned());
        names.extend(needs_null(schema, column).then(|| null_field(column)));
        names.extend(earlier_name(schema, column).map(str::to_owned));
    }
    names.extend(["@subject", "@status", "@end_reason"].map(str::to_owned));
    names.into()
}

/// Returns how many of these names, the first ones, are those of a live session.
pub(super) fn of_live(names: &[String]) -> &[String] {
    &names[..names.len() - 2]
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

    /// Returns whether the session has ended.
    pub(super) fn has_ended(&self, now: Timestamp) -> Result<bool, DecodeError> {
        Ok(self.get("@ended_at").is_some() || now >= self.read("expires_at")?)
    }

    pub(super) fn has_subject(&self) -> bool {
        self.get("@subject").is_some()
    }

    /// Returns the number of the session's subject.
    pub(super) fn subject_number(&self) -> Result<Option<u64>, DecodeError> {
        let number: Option<i64> = self.maybe(SUBJECT_NUMBER)?;
        Ok(number.map(i64::cast_unsigned))
    }

    /// Reads a column that anchor itself keeps.
    fn maybe<C: Column>(&self, name: &'static str) -> Result<Option<C>, DecodeError> {
        let Some(field) = self.get(name) else { return Ok(None) };
        let value = decode(C::TYPE, field).and_then(C::from_value);
        value.map(Some).map_err(|reason| DecodeError::new(name, reason))
    }

    fn read<C: Column>(&self, name: &'static str) -> Result<C, DecodeError> {
        let absent = || DecodeError::new(name, ColumnError::new("the session has no such field"));
        self.maybe(name)?.ok_or_else(absent)
    }

    fn hash(&self, name: &'static str) -> Result<Option<[u8; 32]>, DecodeError> {
        let Some(field) = self.get(name) else { return Ok(None) };
        let bytes = std::str::from_utf8(field).ok().and_then(bytes_of_hex);
        let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let other = || DecodeError::new(name, ColumnError::new("expected 64 hexadecimal digits"));
        hash.map(Some).ok_or_else(other)
    }

    fn required_hash(&self, name: &'static str) -> Result<[u8; 32], DecodeError> {
        let absent = || DecodeError::new(name, ColumnError::new("the session has no such field"));
        self.hash(name)?.ok_or_else(absent)
    }

    fn client(&self, schema: &Schema) -> Result<Option<ClientInfo>, DecodeError> {
        if !schema.options.track {
            return Ok(None);
        }
        let ip: Option<IpAddr> = self.maybe("ip_address")?;
        let user_agent: Option<String> = self.maybe("user_agent")?;
        let known = ip.is_some() || user_agent.is_some();
        Ok(known.then(|| ClientInfo::new(ip, user_agent.as_deref())))
    }

    /// Checks that the names in the hash mean what they mean in the struct. Where names have
    /// changed hands, a column of another release has another one's values.
    fn check_names(&self, schema: &'static Schema) -> Result<(), DecodeError> {
        let (found, declared) = (self.get(TAKEN), taken_field(schema));
        if found == declared.as_deref().map(str::as_bytes) {
            return Ok(());
        }
        let column = taken_names(schema).first().map_or(TAKEN, |(column, _)| column.name);
        let reason = match declared {
            Some(_) => "the session was begun before its earlier name was given to another",
            None => "it was begun when names had changed hands: keep each `renamed_from`",
        };
        Err(DecodeError::new(column, ColumnError::new(reason)))
    }

    pub(super) fn record<T: SessionData>(&self, id: SessionId) -> Result<Record<T>, DecodeError> {
        self.check_names(T::schema())?;
        Ok(Record {
            id,
            created_at: self.read("created_at")?,
            authenticated_at: self.read("authenticated_at")?,
            last_seen_at: self.read("last_seen_at")?,
            expires_at: self.read("expires_at")?,
            deadline: self.read("deadline")?,
            version: self.read("version")?,
            remembered: self.read("remembered")?,
            client: self.client(T::schema())?,
            data: Arc::new(Decoder::payload_of(&mut Payload(self, T::schema()))?),
        })
    }

    pub(super) fn loaded<T: SessionData>(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Loaded<T>, DecodeError> {
        let state: String = self.read("rotation_state")?;
        let unknown =
            || DecodeError::new("rotation_state", ColumnError::new("expected a rotation state"));
        let secrets = Secrets {
            lasting: LastingHash::from_bytes(self.required_hash("lasting_hash")?),
            current: SecretHash::from_bytes(self.required_hash("secret_hash")?),
            previous: self.hash("previous_secret_hash")?.map(SecretHash::from_bytes),
            previous_until: self.maybe("previous_secret_until")?,
            rotation: RotationState::from_word(&state).ok_or_else(unknown)?,
        };
        let fingerprint = match T::schema().options.fingerprint {
            true => self.hash("fingerprint")?.map(Fingerprint::from_bytes),
            false => None,
        };
        let record = self.record::<T>(id)?;
        self.check_subject(&*record.data)?;
        Ok(Loaded { record: Arc::new(record), secrets, fingerprint, now })
    }

    /// Checks that the session is among those of its subject. If another field is the subject since
    /// the login, it is not, and nobody would find it to end it.
    fn check_subject<T: SessionData>(&self, data: &T) -> Result<(), DecodeError> {
        let (Some((_, column)), Some(subject)) = (T::schema().subject(), data.subject()) else {
            return Ok(());
        };
        let named = name_of_subject::<T>(subject).ok().flatten();
        if named.as_deref().map(str::as_bytes) == self.get("@subject") {
            return Ok(());
        }
        let reason = ColumnError::new("the session was begun with another subject");
        Err(DecodeError::new(column.name, reason))
    }

    /// Reads a session that ended at this instant.
    pub(super) fn ended<T: SessionData>(
        &self,
        id: SessionId,
        ended_at: Timestamp,
    ) -> Result<EndedRecord<T>, DecodeError> {
        let was_recorded = self.get("@ended_at").is_some();
        let status = match self.get("@status") {
            Some(b"expired") => EndStatus::Expired,
            None if !was_recorded => EndStatus::Expired,
            _ => EndStatus::Revoked,
        };
        let reason: Option<String> = self.maybe("@end_reason")?;
        let reason = reason.as_deref().and_then(EndReason::from_word);
        Ok(EndedRecord { record: self.record(id)?, status, ended_at, reason })
    }
}

/// Returns the fields of a new session that the caller knows: those that the store's clock decides
/// are the script's.
pub(super) fn new_fields<T: SessionData>(
    new: &NewSession<T>,
    subject: Option<&str>,
) -> Result<Changes, EncodeError> {
    let schema = T::schema();
    let mut fields = payload_fields(&*new.data)?;
    fields.set("lasting_hash", hex(new.lasting.as_bytes()));
    fields.set("secret_hash", hex(new.secret.as_bytes()));
    fields.set("version", "1");
    if let Some(subject) = subject {
        fields.set("@subject", subject);
        fields.set(SUBJECT_NUMBER, subject_number(subject).to_string());
    }
    fields.set("rotation_state", RotationState::Settled.as_str());
    fields.set("remembered", new.remembered.to_string());
    fields.client(schema, new.client.as_ref());
    if let Some(fingerprint) = new.fingerprint.filter(|_| schema.options.fingerprint) {
        fields.set("fingerprint", hex(fingerprint.as_bytes()));
    }
    Ok(fields)
}

/// Reads the payload's part of a hash.
struct Payload<'f>(&'f Fields, &'static Schema);

impl Columns for Payload<'_> {
    fn take(&mut self, _: usize, column: &ColumnSchema) -> Result<Value, ColumnError> {
        let Self(fields, schema) = self;
        if let Some(field) = fields.get(column.name) {
            return value_of(column, field);
        }
        if needs_null(schema, column) && fields.get(&null_field(column)).is_some() {
            return Ok(Value::Null);
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
