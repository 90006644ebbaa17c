//! [`State`]: the table as it is after a migration, kept in the `-- anchor:` lines at the head of
//! the migration's file.
//!
//! The lines say everything that a later migration needs, so that neither a snapshot folder nor a
//! database is asked. What follows them, the SQL, is the user's to edit. Beside each column stands
//! what the struct answered for it, so that an answer is carried out once. The state's hash covers
//! the lines alone and includes the parent's, so that a file names its place in the table's
//! history.

use sha2::{Digest, Sha256};

use crate::column::ColumnType;
use crate::schema::{
    ColumnSchema, CutOffsTable, Dialect, ForeignKey, Kind, OnChange, OnDelete, Owner, Schema,
    SchemaOptions, Table, TableColumn, TableIndex,
};

/// The format that this version writes, and the newest that it reads.
const FORMAT: &str = "1";

/// What every line of a header begins with.
const PREFIX: &str = "-- anchor:";

/// What sqlx looks for at a file's first byte.
const NO_TRANSACTION: &str = "-- no-transaction";

const KINDS: &[(&str, ColumnType)] = &[
    ("bool", ColumnType::Bool),
    ("smallint", ColumnType::SmallInt),
    ("integer", ColumnType::Integer),
    ("bigint", ColumnType::BigInt),
    ("real", ColumnType::Real),
    ("double", ColumnType::Double),
    ("text", ColumnType::Text),
    ("bytes", ColumnType::Bytes),
    ("uuid", ColumnType::Uuid),
    ("ip", ColumnType::Ip),
    ("timestamp", ColumnType::Timestamp),
    ("json", ColumnType::Json),
];

/// The table after a migration, and the migration's place in its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) table: Table,
    /// What the struct said about its columns when the migration was written: each holds once.
    pub(crate) answers: Vec<Answer>,
    /// The hash of the state before; `None` for the migration that creates the table.
    pub(crate) parent: Option<String>,
    /// Of a table that is created under a name that another one had: the hash of the state after
    /// that one's last migration, so that no two first migrations are one.
    pub(crate) beside: Option<String>,
    /// Which of the files that were written together it is, from 1, and how many they are; `None`
    /// for one by itself.
    pub(crate) step: Option<(usize, usize)>,
}

/// The answers on one field that a migration has carried out, so that they are no answer to a
/// later change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) column: String,
    /// `renamed_from`.
    pub(crate) was: Option<String>,
    /// `on_change = "end_sessions"`.
    pub(crate) ends: bool,
    /// `renamed_from` on an enum's variants: old name, new name.
    pub(crate) variants: Vec<(String, String)>,
}

impl Answer {
    /// What a struct says now, of the columns of which it says anything.
    pub(crate) fn of(schema: &Schema) -> Vec<Self> {
        let answers = schema.columns.iter().map(|column| Self {
            column: column.name.to_owned(),
            was: column.renamed_from.map(str::to_owned),
            ends: column.on_change == OnChange::EndSessions,
            variants: variant_renames(column),
        });
        answers.filter(|answer| !answer.is_empty()).collect()
    }

    fn is_empty(&self) -> bool {
        self.was.is_none() && !self.ends && self.variants.is_empty()
    }
}

/// The variants of a column's enum that say what they were called before: old name, new name.
pub(crate) fn variant_renames(column: &ColumnSchema) -> Vec<(String, String)> {
    let owned = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
    column.renamed_variants.iter().map(owned).collect()
}

/// A header that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderError {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl State {
    /// The state after a migration that leads to this struct's table.
    pub(crate) fn of(schema: &Schema, dialect: Dialect, parent: Option<String>) -> Self {
        Self {
            table: Table::of(schema, dialect),
            answers: Answer::of(schema),
            parent,
            beside: None,
            step: None,
        }
    }

    /// What has been answered of the column.
    pub(crate) fn answer(&self, column: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.column == column)
    }

    /// The state's hash: 16 hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        let digest = Sha256::digest(self.lines().join("\n"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The header's lines, each with its line feed.
    pub(crate) fn header(&self) -> String {
        let hash = format!("hash {}", self.hash());
        let lines = self.lines().into_iter().chain([hash]);
        lines.map(|line| format!("{PREFIX} {line}\n")).collect()
    }

    fn lines(&self) -> Vec<String> {
        let table = &self.table;
        let mut lines = vec![
            format!("format {FORMAT}"),
            format!("table {}", name(&table.name)),
            format!("dialect {}", table.dialect.word()),
            format!("parent {}", self.parent.as_deref().unwrap_or("none")),
        ];
        lines.extend(self.beside.as_ref().map(|hash| format!("beside {hash}")));
        lines.extend(self.step.map(|(step, of)| format!("step {step} of {of}")));
        let options = extra_words(table.options);
        if !options.is_empty() {
            lines.push(format!("extras {}", options.join(" ")));
        }
        lines.extend(table.columns.iter().map(|column| {
            column_line(column) + &self.answer(&column.name).map_or_else(String::new, answer_words)
        }));
        lines.extend(table.indexes.iter().map(|index| {
            let unique = if index.unique { "unique " } else { "" };
            format!("{unique}index {} on {}", name(&index.name), name(&index.column))
        }));
        lines.extend(table.cut_offs.iter().map(|companion| {
            let (table, subject) = (name(&companion.name), name(&companion.subject));
            format!("cut_offs {table} on {subject} as {}", quoted(&companion.subject_type))
        }));
        lines
    }

    /// Reads the header of a file. `None` when no line of it is anchor's.
    ///
    /// The header's lines may stand anywhere, below a licence or a `SET`: what makes them one is
    /// that they are the file's only ones. A line that is meant for anchor and not read is an
    /// error, for the table's history would go on without it.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, HeaderError> {
        let mut meant = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let Some(content) = content(line) else { continue };
            meant.push((at + 1, content));
        }
        if meant.is_empty() {
            return Ok(None);
        }
        misplaced(text)?;
        let mut header = Draft::default();
        let mut last = 0;
        for (line, content) in meant {
            last = line;
            content
                .ok_or_else(|| {
                    format!("a line for anchor begins with `{PREFIX}`, in these letters")
                })
                .and_then(|content| header.read(content))
                .map_err(|reason| HeaderError { line, reason })?;
        }
        header.finish().map(Some).map_err(|reason| HeaderError { line: last, reason })
    }
}

/// What a comment says to anchor: `None` for other lines, `Some(None)` where it is meant for anchor
/// and written otherwise.
fn content(line: &str) -> Option<Option<&str>> {
    // A byte order mark is no white space.
    let line = line.trim_start_matches('\u{feff}').trim();
    let comment = line.trim_start_matches(['-', '#', '/', '*', ' ', '\t']);
    if comment.len() == line.len() {
        return None;
    }
    let (word, _) = comment.split_once(':')?;
    if !word.trim_end().eq_ignore_ascii_case("anchor") {
        return None;
    }
    // Indented, or without the space, as a formatter of SQL leaves it.
    let exact = line.strip_prefix("--").and_then(|rest| rest.trim_start().strip_prefix("anchor:"));
    Some(exact.map(str::trim))
}

/// What sqlx or the database would read otherwise than the header says.
fn misplaced(text: &str) -> Result<(), HeaderError> {
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}');
        let reason = if ["<<<<<<<", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
            "the file has the marks of a merge conflict: resolve it".to_owned()
        } else if line.trim() == NO_TRANSACTION && !(at == 0 && text.starts_with(NO_TRANSACTION)) {
            format!(
                "sqlx reads `{NO_TRANSACTION}` at the file's first byte alone: move the line there"
            )
        } else {
            continue;
        };
        return Err(HeaderError { line: at + 1, reason });
    }
    Ok(())
}

fn column_line(column: &TableColumn) -> String {
    let kind = match &column.kind {
        Kind::Enum(values) => {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            format!("enum({})", values.join(", "))
        }
        Kind::Plain(ty) => KINDS
            .iter()
            .find(|(_, known)| known == ty)
            .map_or_else(|| format!("{ty:?}"), |(word, _)| (*word).to_owned()),
    };
    let custom = if column.custom { "custom " } else { "" };
    let mut line =
        format!("column {} {kind} {custom}as {}", name(&column.name), quoted(&column.sql_type));
    if let Some((least, most)) = column.range {
        line.push_str(&format!(" from {least} to {most}"));
    }
    if !column.nullable {
        line.push_str(" not null");
    }
    if column.primary_key {
        line.push_str(" primary key");
    }
    if let Some(default) = &column.default {
        line.push_str(&format!(" default {}", quoted(default)));
    }
    if let Some(target) = &column.references {
        let action = match target.on_delete {
            OnDelete::Cascade => "cascade",
            OnDelete::Restrict => "restrict",
            OnDelete::SetNull => "set null",
        };
        let (table, column) = (name(&target.table), name(&target.column));
        line.push_str(&format!(" references {table}({column}) on delete {action}"));
    }
    line.push_str(match column.leaving {
        None => "",
        Some(Owner::Payload) => " leaving",
        Some(Owner::Anchor) => " leaving system",
    });
    line
}

/// The words of the options that have columns.
fn extra_words(options: SchemaOptions) -> Vec<&'static str> {
    [
        (options.keep_ended, "keep_ended"),
        (options.track, "track"),
        (options.fingerprint, "fingerprint"),
    ]
    .into_iter()
    .filter_map(|(on, word)| on.then_some(word))
    .collect()
}

fn answer_words(answer: &Answer) -> String {
    let mut words = String::new();
    if let Some(was) = &answer.was {
        words.push_str(&format!(" was {}", name(was)));
    }
    if answer.ends {
        words.push_str(" on_change end_sessions");
    }
    if !answer.variants.is_empty() {
        let variants = answer.variants.iter();
        let variants: Vec<_> =
            variants.map(|(from, to)| format!("{} to {}", quoted(from), quoted(to))).collect();
        words.push_str(&format!(" variants ({})", variants.join(", ")));
    }
    words
}

/// A name, in quotes unless it is a plain word.
fn name(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    if plain && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

/// A text in quotes, on one line whatever it holds.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A header that is being read.
#[derive(Default)]
struct Draft {
    format: Option<String>,
    table: Option<String>,
    dialect: Option<Dialect>,
    parent: Option<Option<String>>,
    beside: Option<String>,
    step: Option<(usize, usize)>,
    hash: Option<String>,
    options: Option<SchemaOptions>,
    columns: Vec<TableColumn>,
    answers: Vec<Answer>,
    indexes: Vec<TableIndex>,
    cut_offs: Option<CutOffsTable>,
}

impl Draft {
    fn read(&mut self, line: &str) -> Result<(), String> {
        let mut words = Words::of(line)?;
        let subject = words.word()?;
        if self.format.is_none() && subject != "format" {
            return Err(format!("expected `{PREFIX} format {FORMAT}` before `{subject}`"));
        }
        match subject.as_str() {
            "format" => {
                let format = words.word()?;
                if format != FORMAT {
                    return Err(format!(
                        "the format `{format}` is of another version of anchor; this one reads \
                         `{FORMAT}`: use the anchor that wrote the file, or a newer one"
                    ));
                }
                once(&mut self.format, "format", format)?;
            }
            "table" => once(&mut self.table, "table", words.name()?)?,
            "dialect" => {
                let word = words.word()?;
                let dialect = Dialect::of_word(&word).ok_or_else(|| {
                    format!("`{word}` is no dialect; there are `postgres`, `mysql` and `sqlite`")
                })?;
                once(&mut self.dialect, "dialect", dialect)?;
            }
            "parent" => {
                let hash = words.word()?;
                once(&mut self.parent, "parent", (hash != "none").then_some(hash))?;
            }
            "beside" => once(&mut self.beside, "beside", words.word()?)?,
            "step" => once(&mut self.step, "step", words.step()?)?,
            "hash" => once(&mut self.hash, "hash", words.word()?)?,
            "extras" => once(&mut self.options, "extras", words.options()?)?,
            "column" => {
                let column = words.column()?;
                let answer = words.answer(&column.name)?;
                self.answers.extend(Some(answer).filter(|answer| !answer.is_empty()));
                if self.columns.iter().any(|other| other.name == column.name) {
                    return Err(format!("the column `{}` is there twice", column.name));
                }
                self.columns.push(column);
            }
            "index" => self.indexes.push(words.index(false)?),
            "unique" => {
                words.expect("index")?;
                self.indexes.push(words.index(true)?);
            }
            "cut_offs" => once(&mut self.cut_offs, "cut_offs", words.cut_offs()?)?,
            other => return Err(format!("`{other}` is not known here")),
        }
        words.end()
    }

    fn finish(self) -> Result<State, String> {
        let missing = |what: &str| format!("the header ends without its line `{PREFIX} {what} ..`");
        let state = State {
            table: Table {
                dialect: self.dialect.ok_or_else(|| missing("dialect"))?,
                name: self.table.ok_or_else(|| missing("table"))?,
                options: self.options.unwrap_or(SchemaOptions::NONE),
                columns: self.columns,
                indexes: self.indexes,
                cut_offs: self.cut_offs,
            },
            answers: self.answers,
            parent: self.parent.ok_or_else(|| missing("parent"))?,
            beside: self.beside,
            step: self.step,
        };
        for index in &state.table.indexes {
            if state.table.column(&index.column).is_none() {
                return Err(format!(
                    "the index `{}` is on a column `{}` that is not in the header",
                    index.name, index.column
                ));
            }
        }
        if let Some(companion) = &state.table.cut_offs
            && state.table.column(&companion.subject).is_none()
        {
            return Err(format!(
                "the table `{}` is for a column `{}` that is not in the header",
                companion.name, companion.subject
            ));
        }
        let written = self.hash.ok_or_else(|| missing("hash"))?;
        let hash = state.hash();
        if written != hash {
            return Err(format!(
                "the header was edited by hand: its lines have the hash {hash}, not {written}; if \
                 the table really is as they say, write `{PREFIX} hash {hash}` and the same \
                 `parent` in the file that follows"
            ));
        }
        Ok(state)
    }
}

fn once<V>(slot: &mut Option<V>, what: &str, value: V) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{what}` is there twice")),
    }
}

impl Dialect {
    /// The dialect's name in headers, folders and the environment.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Dialect::Postgres => "postgres",
            Dialect::MySql => "mysql",
            Dialect::Sqlite => "sqlite",
        }
    }

    /// The dialect of this name; `postgresql` and `mariadb` are understood too.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "postgres" | "postgresql" => Some(Dialect::Postgres),
            "mysql" | "mariadb" => Some(Dialect::MySql),
            "sqlite" => Some(Dialect::Sqlite),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// The tokens of a header's line.
struct Words {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Words {
    fn of(line: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let taken = match first {
                '(' | ')' | ',' => {
                    tokens.push(Token::Mark(first));
                    1
                }
                '"' => {
                    let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                    match texts.next() {
                        Some(Ok(text)) => tokens.push(Token::Text(text)),
                        _ => return Err(format!("the text in quotes does not end: {rest}")),
                    }
                    texts.byte_offset()
                }
                _ => {
                    let end = rest
                        .find(|c: char| c.is_whitespace() || "(),\"".contains(c))
                        .unwrap_or(rest.len());
                    tokens.push(Token::Word(rest[..end].to_owned()));
                    end
                }
            };
            rest = rest[taken..].trim_start();
        }
        Ok(Self { tokens: tokens.into_iter().peekable() })
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(unexpected("a word", other)),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(name) | Token::Text(name)) => Ok(name),
            other => Err(unexpected("a name", other)),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Text(text)) => Ok(text),
            other => Err(unexpected("a text in quotes", other)),
        }
    }

    /// `2 of 3`.
    fn step(&mut self) -> Result<(usize, usize), String> {
        let number =
            |word: String| word.parse().map_err(|_| format!("expected a number, found `{word}`"));
        let step = number(self.word()?)?;
        self.expect("of")?;
        Ok((step, number(self.word()?)?))
    }

    fn cut_offs(&mut self) -> Result<CutOffsTable, String> {
        let name = self.name()?;
        self.expect("on")?;
        let subject = self.name()?;
        self.expect("as")?;
        Ok(CutOffsTable { name, subject, subject_type: self.text()? })
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        match self.tokens.next() {
            Some(Token::Word(found)) if found == word => Ok(()),
            other => Err(unexpected(&format!("`{word}`"), other)),
        }
    }

    fn mark(&mut self, mark: char) -> Result<(), String> {
        match self.tokens.next() {
            Some(Token::Mark(found)) if found == mark => Ok(()),
            other => Err(unexpected(&format!("`{mark}`"), other)),
        }
    }

    /// Whether the word comes next; it is taken if so.
    fn next_is(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(found) if found == word)).is_some()
    }

    fn end(&mut self) -> Result<(), String> {
        match self.tokens.next() {
            None => Ok(()),
            token => Err(unexpected("the line's end", token)),
        }
    }

    fn index(&mut self, unique: bool) -> Result<TableIndex, String> {
        let name = self.name()?;
        self.expect("on")?;
        Ok(TableIndex { name, column: self.name()?, unique })
    }

    fn column(&mut self) -> Result<TableColumn, String> {
        let name = self.name()?;
        let kind = self.kind()?;
        let custom = self.next_is("custom");
        self.expect("as")?;
        let mut column = TableColumn {
            name,
            kind,
            sql_type: self.text()?,
            custom,
            range: None,
            nullable: true,
            primary_key: false,
            default: None,
            references: None,
            leaving: None,
        };
        if self.next_is("from") {
            let least = self.integer()?;
            self.expect("to")?;
            column.range = Some((least, self.integer()?));
        }
        if self.next_is("not") {
            self.expect("null")?;
            column.nullable = false;
        }
        if self.next_is("primary") {
            self.expect("key")?;
            column.primary_key = true;
        }
        if self.next_is("default") {
            column.default = Some(self.text()?);
        }
        if self.next_is("references") {
            column.references = Some(self.reference()?);
        }
        if self.next_is("leaving") {
            let system = self.next_is("system");
            column.leaving = Some(if system { Owner::Anchor } else { Owner::Payload });
        }
        Ok(column)
    }

    fn integer(&mut self) -> Result<i64, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("expected an integer, found `{word}`"))
    }

    fn options(&mut self) -> Result<SchemaOptions, String> {
        let mut options = SchemaOptions::NONE;
        while self.tokens.peek().is_some() {
            options = match self.word()?.as_str() {
                "keep_ended" => options.keep_ended(),
                "track" => options.track(),
                "fingerprint" => options.fingerprint(),
                other => return Err(format!("`{other}` is not known here")),
            };
        }
        Ok(options)
    }

    /// What was answered of the column, at the end of its line.
    fn answer(&mut self, column: &str) -> Result<Answer, String> {
        let mut answer = Answer { column: column.to_owned(), ..Answer::default() };
        if self.next_is("was") {
            answer.was = Some(self.name()?);
        }
        if self.next_is("on_change") {
            self.expect("end_sessions")?;
            answer.ends = true;
        }
        if self.next_is("variants") {
            self.mark('(')?;
            loop {
                let from = self.text()?;
                self.expect("to")?;
                answer.variants.push((from, self.text()?));
                if self.tokens.next_if_eq(&Token::Mark(',')).is_none() {
                    break;
                }
            }
            self.mark(')')?;
        }
        Ok(answer)
    }

    fn kind(&mut self) -> Result<Kind, String> {
        let word = self.word()?;
        if word != "enum" {
            return KINDS
                .iter()
                .find(|(known, _)| *known == word)
                .map(|(_, ty)| Kind::Plain(*ty))
                .ok_or_else(|| format!("`{word}` is no type of a column"));
        }
        self.mark('(')?;
        let mut values = vec![self.text()?];
        while self.tokens.next_if_eq(&Token::Mark(',')).is_some() {
            values.push(self.text()?);
        }
        self.mark(')')?;
        Ok(Kind::Enum(values))
    }

    fn reference(&mut self) -> Result<ForeignKey, String> {
        let table = self.name()?;
        self.mark('(')?;
        let column = self.name()?;
        self.mark(')')?;
        self.expect("on")?;
        self.expect("delete")?;
        let on_delete = match self.word()?.as_str() {
            "cascade" => OnDelete::Cascade,
            "restrict" => OnDelete::Restrict,
            "set" => {
                self.expect("null")?;
                OnDelete::SetNull
            }
            other => return Err(format!("`{other}` is no action on a deletion")),
        };
        Ok(ForeignKey { table, column, on_delete })
    }
}

fn unexpected(wanted: &str, found: Option<Token>) -> String {
    match found {
        None => format!("expected {wanted}, and the line ends"),
        Some(Token::Word(word)) => format!("expected {wanted}, found `{word}`"),
        Some(Token::Text(text)) => format!("expected {wanted}, found {}", quoted(&text)),
        Some(Token::Mark(mark)) => format!("expected {wanted}, found `{mark}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Reference;

    static COLUMNS: [ColumnSchema; 5] = [
        ColumnSchema::new("user_id", ColumnType::Uuid, false).subject().references(Reference::new(
            "auth.users",
            "id",
            OnDelete::Cascade,
        )),
        ColumnSchema::new("role", ColumnType::Enum(&["member", "it's \"me\", (you)"]), false)
            .default("'member'")
            .renamed_variants(&[("you", "it's \"me\", (you)"), ("user", "member")])
            .on_change(OnChange::EndSessions),
        ColumnSchema::new("größe in \"cm\"", ColumnType::Integer, true)
            .unique()
            .range(Some((0, 65_535))),
        ColumnSchema::new("email", ColumnType::Text, true)
            .sql_type("citext")
            .renamed_from("e-mail"),
        ColumnSchema::new("note", ColumnType::Text, false).default("'two\r\nlines -- anchor: x'"),
    ];
    static SCHEMA: Schema =
        Schema::new("sessions", &COLUMNS).options(SchemaOptions::NONE.track().fingerprint());

    fn state(dialect: Dialect) -> State {
        State::of(&SCHEMA, dialect, Some("0123456789abcdef".into()))
    }

    fn edited(from: &str, to: &str) -> HeaderError {
        let header = state(Dialect::Postgres).header();
        assert!(header.contains(from), "{header}");
        State::parse(&header.replace(from, to)).expect_err("a broken header")
    }

    #[test]
    fn a_header_is_read_back_as_it_was_written() {
        for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
            let state = state(dialect);
            let file = format!("-- no-transaction\n{}\nSELECT 1;\n", state.header());
            assert_eq!(State::parse(&file), Ok(Some(state)), "{file}");
        }
    }

    #[test]
    fn a_leaving_column_is_read_back_with_its_owner() {
        for owner in [Owner::Payload, Owner::Anchor] {
            let mut state = state(Dialect::Postgres);
            state.table.columns.last_mut().expect("a column").leaving = Some(owner);
            assert_eq!(State::parse(&state.header()), Ok(Some(state.clone())), "{owner:?}");
        }
    }

    #[test]
    fn line_ends_and_byte_order_marks_do_not_change_the_state() {
        let state = state(Dialect::MySql);
        let file = format!("\u{feff}{}\nSELECT 1;\n", state.header()).replace('\n', "\r\n");
        assert_eq!(State::parse(&file), Ok(Some(state)));
    }

    #[test]
    fn a_file_without_a_header_is_not_of_anchor() {
        for text in ["", "CREATE TABLE users (id INT);\n", "-- anchored in 2026: by hand\n"] {
            assert_eq!(State::parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn a_header_is_read_wherever_it_stands_and_however_it_is_indented() {
        let state = state(Dialect::Postgres);
        let header = state.header();
        let lines = header.lines().map(|line| line.strip_prefix(PREFIX).expect("a header"));
        let indented: String = lines.clone().map(|line| format!("\t--  anchor:{line}\n")).collect();
        let close: String = lines.map(|line| format!("--anchor:{line}\n")).collect();
        for file in [
            format!("/* (c) 2026 Shop Ltd.\n * All rights reserved. */\n\n{header}"),
            format!("SET lock_timeout = '1s';\n{header}"),
            format!("{indented}\nSELECT 1;\n"),
            format!("{close}\nSELECT 1;\n"),
        ] {
            assert_eq!(State::parse(&file), Ok(Some(state.clone())), "{file}");
        }
        let second = State { step: Some((2, 3)), beside: Some("0011".into()), ..state };
        assert_eq!(State::parse(&second.header()), Ok(Some(second)));
    }

    #[test]
    fn a_line_for_anchor_that_is_not_read_is_an_error() {
        let header = state(Dialect::Postgres).header();
        let shouted = header.replace("-- anchor:", "-- Anchor:");
        let other = header.replace("-- anchor:", "# anchor:");
        let conflict = format!("<<<<<<< HEAD\n{header}=======\n>>>>>>> theirs\n");
        let doubled = format!("{header}\nSELECT 1;\n{header}");
        let late = format!("-- (c) Shop\n-- no-transaction\n{header}");
        for (file, line, reason) in [
            ("CREATE TABLE users (id INT);\n-- anchor: format 1\n", 2, "without its line"),
            ("SELECT 1;\n-- anchor: table x\n", 2, "expected `-- anchor: format 1`"),
            (&shouted, 1, "begins with `-- anchor:`, in these letters"),
            (&other, 1, "begins with `-- anchor:`, in these letters"),
            (&conflict, 1, "the marks of a merge conflict"),
            (&doubled, header.lines().count() + 3, "`format` is there twice"),
            (&late, 2, "sqlx reads `-- no-transaction` at the file's first byte alone"),
        ] {
            let error = State::parse(file).expect_err(file);
            assert_eq!((error.line, error.reason.contains(reason)), (line, true), "{error:?}");
        }
    }

    #[test]
    fn the_hash_is_of_the_lines_and_of_the_parent() {
        let state = state(Dialect::Sqlite);
        let other = State { parent: None, ..state.clone() };
        assert_ne!(state.hash(), other.hash());
        assert_eq!(state.hash().len(), 16);
    }

    #[test]
    fn a_broken_header_is_said_with_its_line() {
        let cases = [
            (edited("format 1", "format 2"), 1, "is of another version of anchor"),
            (edited("format 1", "table x"), 1, "expected `-- anchor: format 1` before `table`"),
            (edited("dialect postgres", "dialect oracle"), 3, "`oracle` is no dialect"),
            (edited("column id uuid", "column id guid"), 6, "`guid` is no type of a column"),
            (
                edited("not null primary key", "not null primary"),
                6,
                "expected `key`, and the line ends",
            ),
            (edited("custom as \"citext\"", "custom as \"citext"), 25, "does not end"),
            (
                edited("index sessions_user_id_idx on user_id", "index a on b"),
                30,
                "that is not in the header",
            ),
            (edited("as \"citext\"", "as \"text\""), 30, "the header was edited by hand"),
            (
                edited("-- anchor: parent 0123456789abcdef\n", ""),
                29,
                "without its line `-- anchor: parent ..`",
            ),
            (edited("column email", "colum email"), 25, "`colum` is not known here"),
        ];
        for (error, line, reason) in cases {
            assert_eq!((error.line, error.reason.contains(reason)), (line, true), "{error:?}");
        }
    }
}
