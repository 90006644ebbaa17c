//! Random pairs of tables: one, and what became of it, with the answers that the generator asks for.

use anchor::{ColumnSchema, ColumnType, Dialect, OnChange, OnDelete, Reference, Schema};

use crate::dice::Dice;

/// Names that are legal in Rust or SQL and that a careless generator trips over.
const NAMES: &[&str] = &[
    "user_id",
    "theme",
    "order",
    "select",
    "größe",
    "with space",
    "quo\"te",
    "back`tick",
    "CamelCase",
    "2fa",
    "a.b",
    "it's",
    "日本語",
    "semi;colon",
    "dash--dash",
    "slash/*star*/",
    "question?",
    "dollar$1",
    "colon:name",
    "back\\slash",
    "percent%",
    "group",
    "check",
    "r#type",
    "_",
    "a_name_of_sixty_three_bytes_which_is_as_long_as_postgres_allows",
];

const TABLES: &[&str] = &[
    "sessions",
    "order",
    "User Sessions",
    "sessions_of_the_administrators_of_the_whole_shop",
    "sitzungen_ü",
];

const KINDS: &[ColumnType] = &[
    ColumnType::Bool,
    ColumnType::SmallInt,
    ColumnType::Integer,
    ColumnType::BigInt,
    ColumnType::Real,
    ColumnType::Double,
    ColumnType::Text,
    ColumnType::Bytes,
    ColumnType::Uuid,
    ColumnType::Ip,
    ColumnType::Timestamp,
    ColumnType::Json,
];

const ENUMS: &[&[&str]] = &[
    &["admin", "member"],
    &["admin", "member", "guest"],
    &["member", "it's", "back\\slash"],
    &["guest"],
];

/// A table, what became of it, and how many rows of the first the second keeps.
pub(crate) struct Pair {
    pub(crate) old: Schema,
    pub(crate) new: Schema,
    /// Whether a column was answered with `end_sessions`.
    pub(crate) ends: bool,
    /// Whether the way back keeps the rows that were made before the way forward.
    pub(crate) returns: bool,
    /// Old and new name of the columns whose values stay as they are.
    pub(crate) same: Vec<(&'static str, &'static str)>,
}

impl Pair {
    pub(crate) fn throw(seed: u64, dialect: Dialect) -> Self {
        let mut maker = Maker { dice: Dice::new(seed), dialect, free: NAMES.to_vec() };
        maker.pair()
    }
}

struct Maker {
    dice: Dice,
    dialect: Dialect,
    free: Vec<&'static str>,
}

impl Maker {
    fn pair(&mut self) -> Pair {
        let columns: Vec<_> = (0..1 + self.dice.below(5)).map(|_| self.column()).collect();
        let table = self.dice.pick(TABLES);
        let mut pair = Pair {
            old: Schema::new(table, Vec::leak(columns.clone())),
            new: Schema::new(table, &[]),
            ends: false,
            returns: true,
            same: Vec::new(),
        };
        let mut next = Vec::new();
        for column in columns {
            if self.dice.one_in(6) {
                pair.returns &= match column.default {
                    Some(_) => !column.unique,
                    None => column.nullable,
                };
            } else {
                next.push(self.successor(column, &mut pair));
            }
        }
        for _ in 0..self.dice.below(3) {
            let mut column = self.column();
            if !column.nullable && (column.default.is_none() || column.unique) {
                column = column.on_change(OnChange::EndSessions);
                pair.ends |= column.default.is_none();
                if column.default.is_some() {
                    // Two rows would have the same.
                    column.unique = false;
                }
            } else if column.default.is_some() {
                column.unique = false;
            }
            let at = self.dice.below(next.len() + 1);
            next.insert(at, column);
        }
        let table = if self.dice.one_in(6) { self.dice.pick(TABLES) } else { table };
        pair.new = Schema::new(table, Vec::leak(next));
        if table != pair.old.table {
            pair.new = pair.new.renamed_from(pair.old.table);
        }
        pair.returns &= !pair.ends;
        pair
    }

    fn name(&mut self) -> &'static str {
        let at = self.dice.below(self.free.len());
        self.free.swap_remove(at)
    }

    fn kind(&mut self) -> ColumnType {
        if self.dice.one_in(5) {
            ColumnType::Enum(self.dice.pick(ENUMS))
        } else {
            self.dice.pick(KINDS)
        }
    }

    fn column(&mut self) -> ColumnSchema {
        let (name, kind) = (self.name(), self.kind());
        let nullable = self.dice.one_in(2);
        let mut column = ColumnSchema::new(name, kind, nullable);
        if self.dice.one_in(3) {
            column = column.default(self.default_of(kind));
        }
        self.index(column)
    }

    /// Gives the column other indexes and another reference.
    fn index(&mut self, mut column: ColumnSchema) -> ColumnSchema {
        (column.index, column.unique, column.references) = (false, false, None);
        if !is_indexable(column.ty) {
            return column;
        }
        match self.dice.below(6) {
            0 => column.index = true,
            1 => column.unique = true,
            2 if parent_of(column.ty).is_some() && column.default.is_none() => {
                let actions = [OnDelete::Cascade, OnDelete::Restrict, OnDelete::SetNull];
                let action = actions[self.dice.below(if column.nullable { 3 } else { 2 })];
                let parent = parent_of(column.ty).expect("it has one");
                column = column.references(Reference::new(parent, "id", action));
                column.unique = self.dice.one_in(4);
            }
            _ => {}
        }
        column
    }

    /// What becomes of a column, answered so that it is not refused.
    fn successor(&mut self, old: ColumnSchema, pair: &mut Pair) -> ColumnSchema {
        let mut new = old;
        if self.dice.one_in(4) {
            new = ColumnSchema::renamed_from(new, old.name);
            new.name = self.name();
        }
        if self.dice.one_in(3) {
            new.ty = self.neighbour(old.ty);
        }
        if self.dice.one_in(5) {
            new.nullable = !new.nullable;
        }
        if new.ty != old.ty || self.dice.one_in(5) {
            let default = self.default_of(new.ty);
            new.default = self.dice.one_in(2).then_some(default);
        }
        let referenced = new.references.is_some();
        if self.dice.one_in(4) || new.ty != old.ty || (referenced && old.nullable != new.nullable) {
            new = self.index(new);
            // Its values are not all different.
            new.unique &= is_indexable(old.ty);
        }
        let fit = fit(old.ty, new.ty);
        let fits = fit == Fit::All && (new.nullable || !old.nullable);
        if !fits {
            pair.returns = false;
            if new.default.is_none() || new.unique || new.references.is_some() {
                new = new.on_change(OnChange::EndSessions);
                pair.ends = true;
            }
        }
        if fit != Fit::All || fit_back(old.ty, new.ty) != Fit::All {
            pair.returns &= fit_back(old.ty, new.ty) != Fit::None;
        }
        if fits && old.ty == new.ty {
            pair.same.push((old.name, new.name));
        }
        new
    }

    fn neighbour(&mut self, ty: ColumnType) -> ColumnType {
        use ColumnType::{BigInt, Double, Enum, Integer, Real, SmallInt, Text};
        match ty {
            SmallInt | Integer | BigInt if !self.dice.one_in(4) => {
                self.dice.pick(&[SmallInt, Integer, BigInt])
            }
            Real => Double,
            Enum(_) if !self.dice.one_in(4) => {
                self.dice.pick(&[Enum(ENUMS[0]), Enum(ENUMS[1]), Enum(ENUMS[2]), Text])
            }
            _ => self.kind(),
        }
    }

    fn default_of(&mut self, ty: ColumnType) -> &'static str {
        use ColumnType::{
            BigInt, Bool, Bytes, Double, Enum, Integer, Ip, Json, Real, SmallInt, Text, Timestamp,
            Uuid,
        };
        let of: &[&str] = match (ty, self.dialect) {
            (Bool, _) => &["true", "false"],
            (SmallInt | Integer | BigInt, _) => &["0", "-7", "1 + 1", "(2) * (3)"],
            (Real | Double, _) => &["0.5", "-2"],
            (Text, _) => &["'it''s'", "'-- anchor: format 1'", "'a' || 'b'", "''"],
            (Enum(values), Dialect::MySql) => {
                return literal(&self.dice.pick(values).replace('\\', "\\\\"));
            }
            (Enum(values), _) => return literal(self.dice.pick(values)),
            (Bytes, Dialect::Postgres) => &["'\\x00ff'"],
            (Bytes, _) => &["x'00ff'"],
            (Uuid, Dialect::Postgres) => &["'00000000-0000-0000-0000-000000000001'"],
            (Uuid, _) => &["x'00000000000000000000000000000001'"],
            (Ip, _) => &["'127.0.0.1'", "'::1'"],
            (Timestamp, Dialect::Sqlite) => &["0", "1700000000000000"],
            (Timestamp, Dialect::Postgres) => &["'2020-02-02 00:00:00+00'", "now()"],
            (Timestamp, Dialect::MySql) => &["'2020-02-02 00:00:00'", "now(6)"],
            (Json, _) => &["'{}'", "'[1, 2]'"],
            (other, _) => unreachable!("{other:?}"),
        };
        self.dice.pick(of)
    }
}

fn literal(text: &str) -> &'static str {
    format!("'{}'", text.replace('\'', "''")).leak()
}

fn is_indexable(ty: ColumnType) -> bool {
    use ColumnType::{Bool, Double, Enum, Json, Real};
    !matches!(ty, Bool | Real | Double | Json | Enum(_))
}

/// The table that a column of this type may reference.
pub(crate) fn parent_of(ty: ColumnType) -> Option<&'static str> {
    match ty {
        ColumnType::BigInt => Some("parents_bigint"),
        ColumnType::Uuid => Some("parents_uuid"),
        ColumnType::Text => Some("parents_text"),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    All,
    Some,
    None,
}

/// Whether the values of a type fit another: the table of the rules, written down a second time.
fn fit(old: ColumnType, new: ColumnType) -> Fit {
    use ColumnType::{BigInt, Double, Enum, Integer, Real, SmallInt, Text};
    match (old, new) {
        (old, new) if old == new => Fit::All,
        (SmallInt, Integer | BigInt) | (Integer, BigInt) | (Real, Double) | (Enum(_), Text) => {
            Fit::All
        }
        (BigInt, Integer | SmallInt) | (Integer, SmallInt) | (Text, Enum(_)) => Fit::Some,
        (Enum(old), Enum(new)) if old.iter().all(|value| new.contains(value)) => Fit::All,
        (Enum(_), Enum(_)) => Fit::Some,
        _ => Fit::None,
    }
}

fn fit_back(old: ColumnType, new: ColumnType) -> Fit {
    fit(new, old)
}

/// A value of the column in a row, as a literal; every row has another, where the type has so many.
pub(crate) fn value(dialect: Dialect, column: &ColumnSchema, row: usize) -> String {
    use ColumnType::{
        BigInt, Bool, Bytes, Double, Enum, Integer, Ip, Json, Real, SmallInt, Text, Timestamp, Uuid,
    };
    if column.nullable && row == 1 {
        return "NULL".into();
    }
    // The first is as large as the type allows, so that it does not fit a smaller one.
    let large = row == 0 && column.references.is_none();
    match column.ty {
        Bool => ["true", "false"][row % 2].into(),
        BigInt if large => "5000000000".into(),
        Integer if large => "100000".into(),
        SmallInt | Integer | BigInt => format!("{}", row + 1),
        Real | Double => format!("{row}.5"),
        Text => format!("'v{row}'"),
        Enum(values) => {
            let value = values[row % values.len()].replace('\'', "''");
            let value = if dialect == Dialect::MySql { value.replace('\\', "\\\\") } else { value };
            format!("'{value}'")
        }
        Bytes if dialect == Dialect::Postgres => format!("'\\x0{row}'"),
        Bytes => format!("x'0{row}'"),
        Uuid => uuid(dialect, row),
        Ip => format!("'10.0.0.{row}'"),
        Timestamp if dialect == Dialect::Sqlite => format!("{row}"),
        Timestamp => format!("'2021-01-01 00:00:0{row}'"),
        Json => format!("'{{\"row\": {row}}}'"),
        other => unreachable!("{other:?}"),
    }
}

pub(crate) fn uuid(dialect: Dialect, row: usize) -> String {
    match dialect {
        Dialect::Postgres => format!("'00000000-0000-7000-8000-00000000000{row}'"),
        _ => format!("x'0000000000007000800000000000000{row}'"),
    }
}
