//! [`Conversion`]: which values of a column's type another type can hold, and what a cast between
//! the two types loses.

use crate::column::ColumnType;
use crate::schema::{Dialect, Kind, TableColumn};

/// How the values of a column become those of its successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// A value does not fit if at least one of these is true.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) cast: Cast,
}

/// What a cast does to the values that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cast {
    /// It keeps them.
    Exact,
    /// It may round or cut them.
    Inexact,
    /// There is no cast, because the types have nothing in common.
    Never,
}

/// A family of types. A value of one type can be read as another type of its family, if it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Integer,
    Float,
    /// Texts and enums.
    Text,
    /// A type that is a family by itself.
    Other(ColumnType),
}

impl Family {
    pub(crate) fn of(kind: &Kind) -> Self {
        use ColumnType::{BigInt, Double, Integer, Real, SmallInt, Text};
        match kind {
            Kind::Plain(SmallInt | Integer | BigInt) => Family::Integer,
            Kind::Plain(Real | Double) => Family::Float,
            Kind::Plain(Text) | Kind::Enum(_) => Family::Text,
            Kind::Plain(other) => Family::Other(*other),
        }
    }
}

/// A condition for old values that do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `NULL`.
    Null,
    /// Integers that are not between these two.
    Outside(i64, i64),
    /// Floats that are not integers between these two.
    NoInteger(i64, i64),
    /// Texts that are not integers between these two.
    NoIntegerInText(i64, i64),
    /// Floats that are too large for 32 bits.
    TooLargeForReal,
    /// Texts other than these.
    NotAmong(Vec<String>),
    /// Texts of more characters, or values of more bytes.
    LongerThan(usize),
    /// Values that another row has, too.
    Shared,
    /// All values, because the types have nothing in common.
    Every,
}

impl Conversion {
    /// Returns how the values of `old` become those of `new`, with these variants renamed.
    pub(crate) fn of(old: &TableColumn, new: &TableColumn, renamed: &[(String, String)]) -> Self {
        let Self { mut conditions, cast } = Self::of_values(old, new, renamed);
        if old.nullable && !new.nullable && cast != Cast::Never {
            conditions.push(Condition::Null);
        }
        Self { conditions, cast }
    }

    fn of_values(old: &TableColumn, new: &TableColumn, renamed: &[(String, String)]) -> Self {
        use ColumnType::{BigInt, Bytes, Double, Integer, Real, SmallInt, Text};

        let same_type = is_same_type(&old.sql_type, &new.sql_type);
        let lengths = (length(&old.sql_type), length(&new.sql_type));
        let unknown = (old.custom && lengths.0.is_none()) || (new.custom && lengths.1.is_none());
        if unknown && !same_type && renamed.is_empty() && are_mysql_enums(old, new) {
            return Self::of_kinds(&old.kind, &new.kind, renamed);
        }
        if unknown && !same_type {
            return match old.kind == new.kind {
                true => Self { conditions: Vec::new(), cast: Cast::Inexact },
                false => Self::NOTHING,
            };
        }
        let longer = match lengths {
            (Some(before), Some(after)) => longer(before, after),
            _ => None,
        };
        match (&old.kind, &new.kind) {
            (Kind::Plain(from), Kind::Plain(to)) => {
                let integers = (integers(*from, old.range), integers(*to, new.range));
                match (integers, from, to) {
                    ((Some(from), Some(to)), ..) => Self::exact(outside(from, to)),
                    ((Some(from), None), _, Double) => {
                        Self::exact(outside(from, (-(1 << 53), 1 << 53)))
                    }
                    ((Some(from), None), _, Real) => {
                        Self::exact(outside(from, (-(1 << 24), 1 << 24)))
                    }
                    // An integer has at most 20 characters, with its sign.
                    ((Some(_), None), _, Text) => match lengths.1 {
                        Some(Length::Most(..20)) => Self::NOTHING,
                        _ => Self::exact(None),
                    },
                    ((None, Some((least, most))), Real | Double, _) => {
                        Self::exact(Some(Condition::NoInteger(least, most)))
                    }
                    ((None, Some((least, most))), Text, SmallInt | Integer | BigInt) => {
                        Self::exact(Some(Condition::NoIntegerInText(least, most)))
                    }
                    (_, Real, Double) => Self::exact(None),
                    (_, Double, Real) => {
                        Self { conditions: vec![Condition::TooLargeForReal], cast: Cast::Inexact }
                    }
                    (_, Text, Text) | (_, Bytes, Bytes) => Self::exact(longer),
                    _ if from == to => Self::exact(None),
                    _ => Self::NOTHING,
                }
            }
            (from, to) => {
                let mut fit = Self::of_kinds(from, to, renamed);
                // Only a type that the user wrote can be shorter than a variant.
                if new.custom && fit.cast == Cast::Exact {
                    fit.conditions.extend(longer);
                }
                fit
            }
        }
    }

    /// Returns the conversion between texts and enums, regardless of their SQL types.
    fn of_kinds(old: &Kind, new: &Kind, renamed: &[(String, String)]) -> Self {
        match (old, new) {
            (Kind::Enum(old), Kind::Enum(new)) => {
                let now = |value: &String| {
                    let name = renamed.iter().find(|(from, _)| from == value);
                    name.map_or_else(|| value.clone(), |(_, to)| to.clone())
                };
                let fit: Vec<_> =
                    old.iter().filter(|value| new.contains(&now(value))).cloned().collect();
                let all = fit.len() == old.len();
                Self::exact((!all).then_some(Condition::NotAmong(fit)))
            }
            (Kind::Plain(ColumnType::Text), Kind::Enum(new)) => {
                Self::exact(Some(Condition::NotAmong(new.clone())))
            }
            (Kind::Enum(_), Kind::Plain(ColumnType::Text)) => Self::exact(None),
            (old, new) if old == new => Self::exact(None),
            _ => Self::NOTHING,
        }
    }

    const NOTHING: Self = Self { conditions: Vec::new(), cast: Cast::Never };

    fn exact(condition: Option<Condition>) -> Self {
        Self { conditions: condition.into_iter().collect(), cast: Cast::Exact }
    }
}

/// Returns whether two spellings mean the same type. Their case matters only inside quotes.
pub(crate) fn is_same_type(one: &str, other: &str) -> bool {
    let (one, other) = (one.split('\''), other.split('\''));
    let alike = one.clone().count() == other.clone().count();
    alike
        && one.zip(other).enumerate().all(|(at, (one, other))| match at % 2 {
            0 => one.eq_ignore_ascii_case(other),
            _ => one == other,
        })
}

/// Returns whether both columns are a MySQL `ENUM` of exactly the variants of their enum.
fn are_mysql_enums(old: &TableColumn, new: &TableColumn) -> bool {
    [old, new].into_iter().all(|column| {
        let Kind::Enum(values) = &column.kind else { return false };
        let values: Vec<_> = values.iter().map(|value| Dialect::MySql.literal(value)).collect();
        let spelled: String = column.sql_type.split(", ").collect::<Vec<_>>().join(",");
        is_same_type(&spelled, &format!("ENUM({})", values.join(",")))
    })
}

/// Returns the integers that a column of this type, with a field of this range, can hold.
fn integers(ty: ColumnType, range: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let whole = match ty {
        ColumnType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        ColumnType::Integer => (i32::MIN.into(), i32::MAX.into()),
        ColumnType::BigInt => (i64::MIN, i64::MAX),
        _ => return None,
    };
    Some(range.unwrap_or(whole))
}

fn outside(from: (i64, i64), to: (i64, i64)) -> Option<Condition> {
    (from.0 < to.0 || from.1 > to.1).then_some(Condition::Outside(to.0, to.1))
}

/// How many characters or bytes a type allows.
#[derive(Clone, Copy)]
enum Length {
    Any,
    Most(usize),
}

fn longer(before: Length, after: Length) -> Option<Condition> {
    match (before, after) {
        (Length::Most(before), Length::Most(after)) if before <= after => None,
        (_, Length::Most(after)) => Some(Condition::LongerThan(after)),
        (_, Length::Any) => None,
    }
}

/// Returns the length of a type for texts or bytes, or `None` if the type is unknown. A cast
/// between known types does not change a value.
fn length(sql_type: &str) -> Option<Length> {
    let ty = sql_type.to_ascii_lowercase();
    let (name, rest) = ty.split_once('(').map_or((ty.as_str(), None), |(a, b)| (a, Some(b)));
    match (name.trim(), rest) {
        (
            "text" | "longtext" | "citext" | "varchar" | "character varying" | "longblob" | "bytea",
            None,
        ) => Some(Length::Any),
        ("varchar" | "character varying" | "varbinary", Some(rest)) => {
            rest.strip_suffix(')')?.trim().parse().ok().map(Length::Most)
        }
        _ => None,
    }
}

impl Condition {
    /// Returns the condition in SQL. `column` is a quoted name.
    pub(crate) fn sql(&self, dialect: Dialect, table: &str, column: &str) -> String {
        match self {
            Condition::Null => format!("{column} IS NULL"),
            Condition::Outside(least, most) => format!("{column} NOT BETWEEN {least} AND {most}"),
            Condition::NoInteger(least, most) => {
                // The bounds are compared as floats. No float is equal to the largest integer, so
                // the largest float below it is used.
                let inside = |bound: i64| match bound {
                    i64::MAX => 9_223_372_036_854_774_784,
                    bound => bound,
                };
                let (least, most) = (inside(*least), inside(*most));
                let whole = match dialect {
                    Dialect::Sqlite => format!("{column} <> CAST({column} AS INTEGER)"),
                    Dialect::Postgres | Dialect::MySql => format!("{column} <> FLOOR({column})"),
                };
                format!("{column} NOT BETWEEN {least} AND {most} OR {whole}")
            }
            // MariaDB casts a text even if the `CASE` excludes it, and fails. A text that is not an
            // integer is therefore replaced with an integer that no column can hold.
            Condition::NoIntegerInText(least, most) if dialect == Dialect::MySql => format!(
                "{column} IS NOT NULL AND CAST(CASE WHEN {column} REGEXP '{INTEGER}' \
                 THEN {column} ELSE '99999999999999999999' END AS DECIMAL(20)) \
                 NOT BETWEEN {least} AND {most}"
            ),
            Condition::NoIntegerInText(least, most) => {
                let (is_integer, integer) = match dialect {
                    Dialect::Sqlite => (
                        format!("CAST(CAST({column} AS INTEGER) AS TEXT) = {column}"),
                        format!("CAST({column} AS INTEGER)"),
                    ),
                    _ => (format!("{column} ~ '{INTEGER}'"), format!("{column}::numeric")),
                };
                format!(
                    "{column} IS NOT NULL AND CASE WHEN {is_integer} \
                     THEN {integer} NOT BETWEEN {least} AND {most} ELSE TRUE END"
                )
            }
            Condition::TooLargeForReal => format!("ABS({column}) > 3.4028234663852886e38"),
            Condition::NotAmong(values) => {
                // MySQL ignores spaces at the end when it compares.
                let is_padded =
                    dialect == Dialect::MySql && !values.iter().any(|value| value.ends_with(' '));
                let padded = match is_padded {
                    true => format!(" OR {column} LIKE '% '"),
                    false => String::new(),
                };
                let values: Vec<_> = values.iter().map(|value| dialect.literal(value)).collect();
                match values.is_empty() {
                    true => format!("{column} IS NOT NULL"),
                    false => format!("{column} NOT IN ({}){padded}", values.join(", ")),
                }
            }
            Condition::LongerThan(length) => {
                let characters = if dialect == Dialect::Sqlite { "LENGTH" } else { "CHAR_LENGTH" };
                format!("{characters}({column}) > {length}")
            }
            // MySQL cannot delete from a table that the condition also reads, unless the condition
            // reads it in a derived table. A locked table that is read twice needs a second name,
            // which must be locked as well.
            Condition::Shared => format!(
                "{column} IN (SELECT {column} FROM (SELECT {column} FROM {table} AS again \
                 GROUP BY {column} HAVING COUNT(*) > 1) AS shared)"
            ),
            Condition::Every => "TRUE".to_owned(),
        }
    }
}

/// A regular expression for an integer of at most 19 digits.
const INTEGER: &str = "^(0|-?[1-9][0-9]{0,18})$";
