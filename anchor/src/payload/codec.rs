//! The codec between a payload and its row: [`Encoder`] and [`Decoder`].

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SessionData;
use crate::column::{Column, ColumnError, Value};
use crate::schema::ColumnSchema;

/// A type that `#[session(json)]` can store: any type that serde can write and read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as JSON",
    label = "serde cannot both write and read this type",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to a type of your own",
    note = "for a type of another crate, switch on that crate's feature `serde`"
)]
pub trait JsonColumn: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> JsonColumn for T {}

/// The error for a column that could not be written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("column `{column}` cannot be stored: {reason}")]
pub struct EncodeError {
    column: &'static str,
    reason: ColumnError,
}

impl EncodeError {
    /// Creates the error for the column whose value cannot be stored.
    pub fn new(column: &'static str, reason: ColumnError) -> Self {
        Self { column, reason }
    }

    /// Returns the column's name.
    pub fn column(&self) -> &'static str {
        self.column
    }
}

/// The error for a column that could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("column `{column}` cannot be read: {reason}")]
pub struct DecodeError {
    column: &'static str,
    reason: ColumnError,
}

impl DecodeError {
    /// Creates the error for the column that does not hold what its field needs.
    pub fn new(column: &'static str, reason: ColumnError) -> Self {
        Self { column, reason }
    }

    /// Returns the column's name.
    pub fn column(&self) -> &'static str {
        self.column
    }
}

/// Collects a payload's values, one per column, in the schema's order.
#[derive(Debug)]
pub struct Encoder {
    columns: &'static [ColumnSchema],
    values: Vec<Value>,
}

impl Encoder {
    /// Returns the values of `data`, one per column of its schema.
    ///
    /// # Errors
    ///
    /// Returns the error of [`SessionData::encode`], if it fails.
    pub fn values_of<T: SessionData>(data: &T) -> Result<Vec<Value>, EncodeError> {
        let columns = T::schema().columns;
        let mut encoder = Self { columns, values: Vec::with_capacity(columns.len()) };
        data.encode(&mut encoder)?;
        Ok(encoder.values)
    }

    /// Appends a field whose type is a [`Column`].
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be represented in SQL.
    pub fn column<C: Column>(&mut self, field: &C) -> Result<(), EncodeError> {
        self.push(field.to_value())
    }

    /// Appends a field marked `#[session(json)]`.
    ///
    /// The written JSON is read back, because a row that cannot be read would end its session at
    /// the next request.
    ///
    /// # Cost
    ///
    /// About 4 µs per KB of JSON, at a login and at an update, for reading it back. Other columns
    /// cost nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if serde cannot write the value as JSON, or cannot read what it wrote: a
    /// value nested more than 127 levels deep, a float that is not finite (serde writes `null`), or
    /// a field that is skipped when writing.
    pub fn json<J: JsonColumn>(&mut self, field: &J) -> Result<(), EncodeError> {
        self.push(written(field).map(Value::Json))
    }

    /// Appends the result of converting a field to a cell.
    ///
    /// # Errors
    ///
    /// Returns the conversion's error.
    pub fn push(&mut self, value: Result<Value, ColumnError>) -> Result<(), EncodeError> {
        let column = self.columns[self.values.len()].name;
        self.values.push(value.map_err(|reason| EncodeError::new(column, reason))?);
        Ok(())
    }
}

/// The source that a [`Decoder`] reads from: a database row, through the store that fetched it.
pub trait Columns {
    /// Takes the value of the payload's column `index`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database sent something that is not of the column's type.
    fn take(&mut self, index: usize, column: &ColumnSchema) -> Result<Value, ColumnError>;
}

impl Columns for std::vec::IntoIter<Value> {
    fn take(&mut self, _: usize, _: &ColumnSchema) -> Result<Value, ColumnError> {
        self.next().ok_or_else(|| ColumnError::new("the row has too few columns"))
    }
}

/// Reads a payload's columns, one after another, in the schema's order.
pub struct Decoder<'r> {
    columns: &'static [ColumnSchema],
    next: usize,
    row: &'r mut dyn Columns,
}

impl<'r> Decoder<'r> {
    /// Returns the payload that `row` holds.
    ///
    /// # Errors
    ///
    /// Returns the error of [`SessionData::decode`], if it fails.
    pub fn payload_of<T: SessionData>(row: &'r mut dyn Columns) -> Result<T, DecodeError> {
        T::decode(&mut Self { columns: T::schema().columns, next: 0, row })
    }

    /// Reads a field whose type is a [`Column`].
    ///
    /// # Errors
    ///
    /// Returns an error if the column does not hold a value of the field's type.
    pub fn column<C: Column>(&mut self) -> Result<C, DecodeError> {
        self.read(C::from_value)
    }

    /// Reads a field marked `#[session(json)]`. SQL `NULL` is read as JSON `null`.
    ///
    /// # Errors
    ///
    /// Returns an error if the column does not hold JSON of the field's shape.
    pub fn json<J: JsonColumn>(&mut self) -> Result<J, DecodeError> {
        self.read(|value| match value {
            // The message of serde_json may quote the document, and a payload does not belong in a
            // log.
            Value::Json(text) | Value::Text(text) => {
                serde_json::from_str(&text).map_err(json_error)
            }
            Value::Null => serde_json::from_str("null").map_err(json_error),
            other => Err(ColumnError::unexpected("JSON", &other)),
        })
    }

    /// Reads a field by converting its cell with `convert`.
    ///
    /// # Errors
    ///
    /// Returns the conversion's error, or the store's if it cannot read the column.
    pub fn read<V>(
        &mut self,
        convert: impl FnOnce(Value) -> Result<V, ColumnError>,
    ) -> Result<V, DecodeError> {
        let index = self.next;
        let column = &self.columns[index];
        self.next += 1;
        self.row
            .take(index, column)
            .and_then(convert)
            .map_err(|reason| DecodeError::new(column.name, reason))
    }
}

/// Returns the value as JSON that can be read back.
fn written<J: JsonColumn>(field: &J) -> Result<String, ColumnError> {
    let text = serde_json::to_string(field).map_err(ColumnError::new)?;
    match serde_json::from_str::<J>(&text) {
        Ok(_) => Ok(text),
        // This message quotes nothing: it is mostly about the recursion limit.
        Err(error) if error.is_syntax() => Err(ColumnError::new(format_args!(
            "the JSON that serde writes for the value cannot be read again: {error}"
        ))),
        Err(error) => Err(ColumnError::new(format_args!(
            "serde cannot read the JSON that it writes for the value (line {}, column {}): \
             a float that is not finite is written as `null`, and a field that is skipped when \
             writing needs `#[serde(default)]`",
            error.line(),
            error.column()
        ))),
    }
}

fn json_error(error: serde_json::Error) -> ColumnError {
    ColumnError::new(format_args!(
        "the JSON does not have the field's shape (line {}, column {})",
        error.line(),
        error.column()
    ))
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::NoSubject;

    #[test]
    fn a_json_error_does_not_quote_the_document() {
        let error = json_error(serde_json::from_str::<u8>("\"hunter2\"").unwrap_err());
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn json_that_would_not_be_read_is_refused_with_its_column() {
        static COLUMNS: [ColumnSchema; 1] = [ColumnSchema::json("cart")];
        fn refusal<J: JsonColumn>(value: &J) -> String {
            let mut encoder = Encoder { columns: &COLUMNS, values: Vec::new() };
            encoder.json(value).unwrap_err().to_string()
        }
        let not_a_number = refusal(&f64::NAN);
        assert!(not_a_number.starts_with("column `cart` cannot be stored: "), "{not_a_number}");
        assert!(not_a_number.contains("is written as `null`"), "{not_a_number}");
        let deep = (0..200).fold(serde_json::Value::Null, |inside, _| vec![inside].into());
        assert!(refusal(&deep).contains("recursion limit exceeded"), "{}", refusal(&deep));
        let unreadable = refusal(&std::collections::BTreeMap::from(
            [(vec![1], "hunter2")].map(|(key, value)| (key, value.to_owned())),
        ));
        assert!(!unreadable.contains("hunter2"), "{unreadable}");
    }

    #[test]
    fn no_subject_has_no_values() {
        assert_eq!(size_of::<Option<NoSubject>>(), 0);
    }
}
