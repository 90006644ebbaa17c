//! The payloads of the conformance suite: [`Payload`], with a column of every kind, and
//! [`Extended`], whose table has every optional part.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use crate::payload::{CutOff, DecodeError, Decoder, EncodeError, Encoder, SessionData};
use crate::schema::{ColumnSchema, Schema, SchemaOptions};
use crate::timestamp::Timestamp;

/// The payload of the conformance suite's sessions. Its table is `anchor_conformance`.
#[derive(Debug, Clone, PartialEq, crate::SessionData)]
#[session(table = "anchor_conformance", crate = "crate", migrations = false)]
pub struct Payload {
    /// The subject.
    #[session(subject)]
    pub user_id: Uuid,
    /// Text.
    pub title: String,
    /// Text that may be absent.
    pub note: Option<String>,
    /// A boolean.
    pub active: bool,
    /// A 16-bit integer.
    pub level: i16,
    /// A 64-bit integer.
    pub visits: i64,
    /// A float.
    pub ratio: f64,
    /// Bytes.
    pub avatar: Vec<u8>,
    /// JSON.
    #[session(json)]
    pub tags: BTreeMap<String, String>,
    /// An instant.
    pub born_at: Timestamp,
}

/// A payload with cut-offs, client information and fingerprints. Its ended rows are kept for
/// `KEEP_ENDED_SECONDS`; if that is 0, they are not kept. Its table is
/// `anchor_conformance_extended`.
#[derive(Debug, Clone, PartialEq)]
pub struct Extended<const KEEP_ENDED_SECONDS: u64> {
    /// The subject.
    pub user_id: Uuid,
    /// An integer.
    pub visits: i64,
}

impl<const KEEP_ENDED_SECONDS: u64> SessionData for Extended<KEEP_ENDED_SECONDS> {
    type Subject = Uuid;
    const IDLE: Duration = Duration::from_secs(2 * 3600);
    const ABSOLUTE: Duration = Duration::from_secs(14 * 86_400);
    const KEEP_ENDED: Option<Duration> = match KEEP_ENDED_SECONDS {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };

    fn schema() -> &'static Schema {
        const COLUMNS: &[ColumnSchema] =
            &[ColumnSchema::of::<Uuid>("user_id").subject(), ColumnSchema::of::<i64>("visits")];
        const EXTRAS: SchemaOptions = SchemaOptions::NONE.track().fingerprint().cut_off();
        const BASE: Schema = Schema::new("anchor_conformance_extended", COLUMNS);
        const SCHEMA: Schema = BASE.options(EXTRAS);
        const KEPT: Schema = BASE.options(EXTRAS.keep_ended());
        if KEEP_ENDED_SECONDS == 0 { &SCHEMA } else { &KEPT }
    }

    fn encode(&self, row: &mut Encoder) -> Result<(), EncodeError> {
        row.column(&self.user_id)?;
        row.column(&self.visits)
    }

    fn decode(row: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { user_id: row.column()?, visits: row.column()? })
    }

    fn subject(&self) -> Option<&Uuid> {
        Some(&self.user_id)
    }
}

impl<const KEEP_ENDED_SECONDS: u64> CutOff for Extended<KEEP_ENDED_SECONDS> {}
