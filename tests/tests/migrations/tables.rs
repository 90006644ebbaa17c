//! Random pairs of tables: one, and what became of it, with the answers that the generator asks
//! for.

use anchor::column::ColumnType;
use anchor::schema::{ColumnSchema, Dialect, OnChange, OnDelete, Reference, Schema, SchemaOptions};
use anchor_tests::dice::Dice;

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

const LENGTHS: &[Option<&str>] = &[None, Some("VARCHAR(80)"), Some("VARCHAR(120)")];

const ENUMS: &[&[&str]] = &[
    &["admin", "member"],
    &["admin", "member", "guest"],
    &["member", "it's", "back\\slash"],
    &["guest"],
];

/// A table, and what became of it.
pub(crate) struct Pair {
    pub(crate) old: Schema,
    pub(crate) new: Schema,
    /// Old and new columns that are one.
    pub(crate) kept: Vec<(ColumnSchema, ColumnSchema)>,
    /// Whether `drop` is said: values may be rounded, and `on_change` holds a second time.
    pub(crate) drops: bool,
}

/// The extras that have columns or a companion.
const EXTRAS: &[SchemaOptions] = &[
    SchemaOptions::NONE,
    SchemaOptions::NONE,
    SchemaOptions::NONE.keep_ended(),
    SchemaOptions::NONE.track().fingerprint(),
    SchemaOptions::NONE.cut_off(),
    SchemaOptions::NONE.cut_off().keep_ended().track().fingerprint(),
];

impl Pair {
    pub(crate) fn of(maker: &mut Maker) -> Self {
        maker.pair()
    }

    pub(crate) fn throw(seed: u64, dialect: Dialect) -> Self {
        Maker::new(seed, dialect).pair()
    }

    /// The columns that are gone, and those that are new.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &ColumnSchema> {
        let is_kept = |name: &str| self.kept.iter().any(|(old, _)| old.name == name);
        self.old.columns.iter().filter(move |column| !is_kept(column.name))
    }

    pub(crate) fn added(&self) -> impl Iterator<Item = &ColumnSchema> {
        let is_kept = |name: &str| self.kept.iter().any(|(_, new)| new.name == name);
        self.new.columns.iter().filter(move |column| !is_kept(column.name))
    }
}

/// What throws tables and what becomes of them.
pub(crate) struct Maker {
    pub(crate) dice: Dice,
    dialect: Dialect,
    /// The names that no column has.
    free: Vec<&'static str>,
}

impl Maker {
    pub(crate) fn new(seed: u64, dialect: Dialect) -> Self {
        Self { dice: Dice::new(seed), dialect, free: NAMES.to_vec() }
    }

    /// Makes the names free that none of these columns has.
    pub(crate) fn keep_names_of(&mut self, columns: &[ColumnSchema]) {
        let is_taken = |name: &&str| columns.iter().any(|column| column.name == *name);
        self.free = NAMES.iter().copied().filter(|name| !is_taken(name)).collect();
    }

    /// A type for texts that anchor does not know.
    pub(crate) fn unknown_text(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "BPCHAR",
            Dialect::MySql => "CHAR(90)",
            Dialect::Sqlite => "CLOB",
        }
    }

    pub(crate) fn table(&mut self) -> &'static str {
        self.dice.pick(TABLES)
    }

    fn pair(&mut self) -> Pair {
        let mut columns: Vec<_> = (0..1 + self.dice.below(5)).map(|_| self.column()).collect();
        let table = self.dice.pick(TABLES);
        let extras = self.subject(&mut columns);
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for column in &columns {
            if self.dice.one_in(6) {
                gone.push(*column);
            } else {
                kept.push((*column, self.successor(*column)));
            }
        }
        let mut added = Vec::new();
        for _ in 0..self.dice.below(3) {
            let mut column = self.column();
            if !column.nullable && column.default.is_none() {
                column = column.on_change(OnChange::EndSessions);
            } else if column.default.is_some() {
                // Two rows would have the same.
                column.unique = false;
            }
            added.push(column);
        }
        self.move_names(&mut kept, &gone, &mut added);
        let mut next: Vec<_> = kept.iter().map(|(_, new)| *new).collect();
        for column in added {
            let at = self.dice.below(next.len() + 1);
            next.insert(at, column);
        }
        for column in &mut next {
            column.subject = false;
        }
        let new_extras = self.subject(&mut next);
        for (_, new) in &mut kept {
            *new = *next.iter().find(|column| column.name == new.name).expect("it is there");
        }
        let new_table = if self.dice.one_in(6) { self.dice.pick(TABLES) } else { table };
        let mut new = Schema::new(new_table, Vec::leak(next)).options(new_extras);
        if new_table != table {
            new = new.renamed_from(table);
        }
        let old = Schema::new(table, Vec::leak(columns)).options(extras);
        Pair { old, new, kept, drops: true }
    }

    /// Makes one of the columns the subject, perhaps, and throws what the table has besides.
    pub(crate) fn subject(&mut self, columns: &mut [ColumnSchema]) -> SchemaOptions {
        let fit = |column: &ColumnSchema| {
            use ColumnType::{BigInt, Integer, Text, Uuid};
            !column.nullable && matches!(column.ty, BigInt | Integer | Text | Uuid)
        };
        let mut able: Vec<_> = columns.iter_mut().filter(|column| fit(column)).collect();
        let extras = self.dice.pick(EXTRAS);
        if able.is_empty() || self.dice.one_in(3) {
            let mut extras = extras;
            extras.cut_off = false;
            return extras;
        }
        let at = self.dice.below(able.len());
        able[at].subject = true;
        extras
    }

    /// Columns change places, take the name of one that is gone, or leave theirs to a new one.
    pub(crate) fn move_names(
        &mut self,
        kept: &mut [(ColumnSchema, ColumnSchema)],
        gone: &[ColumnSchema],
        added: &mut [ColumnSchema],
    ) {
        let same: Vec<_> =
            (0..kept.len()).filter(|at| kept[*at].0.name == kept[*at].1.name).collect();
        match self.dice.below(8) {
            0 if same.len() >= 2 => turn(kept, &same),
            1 if !same.is_empty() && !gone.is_empty() => {
                let (old, new) = &mut kept[same[0]];
                new.name = gone[0].name;
                *new = ColumnSchema::renamed_from(*new, old.name);
            }
            2 if same.len() < kept.len() && !added.is_empty() => {
                let moved = kept.iter().find(|(old, new)| old.name != new.name);
                added[0].name = moved.expect("one has another name").0.name;
            }
            _ => {}
        }
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

    pub(crate) fn column(&mut self) -> ColumnSchema {
        let (name, kind) = (self.name(), self.kind());
        let nullable = self.dice.one_in(2);
        let mut column = ColumnSchema::new(name, kind, nullable);
        if kind == ColumnType::Text && self.dice.one_in(3) {
            column.sql_type = self.dice.pick(LENGTHS);
        }
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
                column.sql_type = None;
                column.unique = self.dice.one_in(4);
            }
            _ => {}
        }
        column
    }

    /// What becomes of a column, answered so that it is not refused.
    pub(crate) fn successor(&mut self, old: ColumnSchema) -> ColumnSchema {
        let mut new = old;
        if self.dice.one_in(4) {
            new = ColumnSchema::renamed_from(new, old.name);
            new.name = self.name();
        }
        if self.dice.one_in(3) {
            new.ty = self.neighbour(old.ty);
            new.sql_type = None;
        }
        if new.ty == ColumnType::Text && self.dice.one_in(3) {
            new.sql_type = self.dice.pick(LENGTHS);
        }
        if let (ColumnType::Enum(from), ColumnType::Enum(to)) = (old.ty, new.ty) {
            // The last that is gone is the first that is new.
            let gone = from.iter().rfind(|value| !to.contains(value));
            let fresh = to.iter().find(|value| !from.contains(value));
            if let (Some(gone), Some(fresh), true) = (gone, fresh, self.dice.one_in(2)) {
                new.renamed_variants = vec![(*gone, *fresh)].leak();
            }
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
        if new.references.is_some() {
            new.sql_type = None;
            let finds = |row| match fit(&raw(&old, row), &old, &new, forward(&new)) {
                Fit::Keeps(Raw::Int(value)) => (1..=3).contains(&value),
                Fit::Keeps(Raw::Text(text)) => text.starts_with('v'),
                _ => true,
            };
            if !(0..crate::pairs::ROWS).all(finds) {
                new.references = None;
            }
        }
        let enums = matches!((old.ty, new.ty), (ColumnType::Enum(_), ColumnType::Enum(_)));
        let rows = || (0..crate::pairs::ROWS).map(|row| raw(&old, row));
        let all_fit =
            rows().all(|raw| matches!(fit(&raw, &old, &new, forward(&new)), Fit::Keeps(_)));
        let referenced = new.references.is_some() || old.references.is_some();
        let unique = new.unique || old.unique;
        let needed = enums || new.default.is_none() || unique || referenced;
        if needed || (all_fit && self.dice.one_in(2)) {
            new = new.on_change(OnChange::EndSessions);
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
            SmallInt | Integer | BigInt => self.dice.pick(&[Real, Double, Text]),
            Double if !self.dice.one_in(4) => self.dice.pick(&[Real, BigInt, SmallInt]),
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

/// What a removed field's column is until it is dropped: a row may leave it out.
pub(crate) fn leaving(mut column: ColumnSchema) -> ColumnSchema {
    if column.unique || column.references.is_some() {
        column.default = None;
    }
    column.nullable |= column.default.is_none();
    column.index |= column.subject;
    column.subject = false;
    (column.renamed_from, column.renamed_variants) = (None, &[]);
    column.on_change = OnChange::Refuse;
    column
}

/// Each of these columns takes the next one's name.
pub(crate) fn turn(kept: &mut [(ColumnSchema, ColumnSchema)], these: &[usize]) {
    let names: Vec<_> = these.iter().map(|at| kept[*at].0.name).collect();
    for (turn, at) in these.iter().enumerate() {
        let (old, new) = &mut kept[*at];
        new.name = names[(turn + 1) % names.len()];
        *new = ColumnSchema::renamed_from(*new, old.name);
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

/// A value, as far as a conversion cares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    /// Of another type, or not known.
    Opaque,
}

/// What becomes of a value: the rules, written down a second time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fit {
    Keeps(Raw),
    Misfit,
    /// The types have nothing in common.
    Never,
}

/// The variants' names as a way leads from one to the other.
pub(crate) type Names = Vec<(&'static str, &'static str)>;

pub(crate) fn forward(new: &ColumnSchema) -> Names {
    new.renamed_variants.to_vec()
}

pub(crate) fn backward(new: &ColumnSchema) -> Names {
    new.renamed_variants.iter().map(|(from, to)| (*to, *from)).collect()
}

/// What becomes of a value of `old` in `new`.
pub(crate) fn fit(raw: &Raw, old: &ColumnSchema, new: &ColumnSchema, names: Names) -> Fit {
    use ColumnType::{BigInt, Double, Enum, Integer, Real, SmallInt, Text};
    let (from, to) = (old.ty, new.ty);
    let is_integer = |ty| matches!(ty, SmallInt | Integer | BigInt);
    let is_float = |ty| matches!(ty, Real | Double);
    let common = from == to
        || (is_integer(from) && (is_integer(to) || is_float(to) || to == Text))
        || (is_float(from) && (is_integer(to) || is_float(to)))
        || (from == Text && (is_integer(to) || matches!(to, Enum(_))))
        || (matches!(from, Enum(_)) && (to == Text || matches!(to, Enum(_))));
    if !common {
        return Fit::Never;
    }
    let integer = |value: i64| {
        let fits = match to {
            SmallInt => i16::try_from(value).is_ok(),
            Integer => i32::try_from(value).is_ok(),
            _ => true,
        };
        if fits { Fit::Keeps(Raw::Int(value)) } else { Fit::Misfit }
    };
    match (raw, to) {
        (Raw::Null, _) if new.nullable => Fit::Keeps(Raw::Null),
        (Raw::Null, _) => Fit::Misfit,
        (Raw::Int(value), to) if is_integer(to) => integer(*value),
        (Raw::Int(value), Real) if value.abs() > 1 << 24 => Fit::Misfit,
        (Raw::Int(value), Real | Double) => Fit::Keeps(Raw::Float(*value as f64)),
        (Raw::Int(value), Text) => Fit::Keeps(Raw::Text(value.to_string())),
        (Raw::Float(value), to) if is_integer(to) && value.fract() == 0.0 => integer(*value as i64),
        (Raw::Float(_), to) if is_integer(to) => Fit::Misfit,
        (Raw::Text(value), to) if is_integer(to) => value.parse().map_or(Fit::Misfit, integer),
        (Raw::Text(value), Enum(values)) => {
            let renamed = names.iter().find(|(from, _)| from == value).map(|(_, to)| *to);
            let now = renamed.unwrap_or(value);
            match values.contains(&now) {
                true => Fit::Keeps(Raw::Text(now.to_owned())),
                false => Fit::Misfit,
            }
        }
        (raw, _) => Fit::Keeps(raw.clone()),
    }
}

/// The value that [`value`] writes.
pub(crate) fn raw(column: &ColumnSchema, row: usize) -> Raw {
    use ColumnType::{BigInt, Double, Enum, Integer, Real, SmallInt, Text};
    let text = value(Dialect::Sqlite, column, row);
    match column.ty {
        _ if text == "NULL" => Raw::Null,
        SmallInt | Integer | BigInt => Raw::Int(text.parse().expect("an integer")),
        Real | Double => Raw::Float(text.parse().expect("a float")),
        Text | Enum(_) => Raw::Text(unquoted(&text)),
        _ => Raw::Opaque,
    }
}

/// The value of the column's default.
pub(crate) fn default_value(column: &ColumnSchema) -> Raw {
    use ColumnType::{BigInt, Double, Enum, Integer, Real, SmallInt, Text};
    let Some(default) = column.default else { return Raw::Null };
    match (column.ty, default) {
        (SmallInt | Integer | BigInt, "1 + 1") => Raw::Int(2),
        (SmallInt | Integer | BigInt, "(2) * (3)") => Raw::Int(6),
        (SmallInt | Integer | BigInt, number) => Raw::Int(number.parse().expect("an integer")),
        (Real | Double, number) => Raw::Float(number.parse().expect("a float")),
        (Text, "'a' || 'b'") => Raw::Text("ab".into()),
        (Text, text) => Raw::Text(unquoted(text)),
        // MySQL's backslashes are doubled.
        (Enum(_), text) => Raw::Text(unquoted(text).replace("\\\\", "\\")),
        _ => Raw::Opaque,
    }
}

fn unquoted(literal: &str) -> String {
    literal[1..literal.len() - 1].replace("''", "'")
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
