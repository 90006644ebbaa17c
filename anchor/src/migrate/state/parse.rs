//! Reading a state from the lines of a header.

use super::words::Words;
use super::{Answer, FORMAT, PREFIX, State};
use crate::schema::{CutOffsTable, Dialect, SchemaOptions, Table, TableColumn, TableIndex};

/// The line that sqlx looks for at the very start of a file.
const NO_TRANSACTION: &str = "-- no-transaction";

/// A header that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderError {
    /// The line's number in the file, from 1.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl State {
    /// Reads the header of a file, and returns `None` if no line of the file is for anchor.
    ///
    /// The header's lines may be anywhere in the file, for example below a licence or a `SET`. A
    /// line that is meant for anchor but cannot be read is an error, because the table's history
    /// would otherwise continue without it.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, HeaderError> {
        let lines = text.lines().zip(1..);
        let meant: Vec<_> = lines.filter_map(|(text, line)| Some((line, content(text)?))).collect();
        let Some((last, _)) = meant.last().copied() else { return Ok(None) };
        misplaced(text)?;
        let mut header = Header::default();
        for (line, content) in meant {
            content
                .ok_or_else(|| format!("a line for anchor starts with exactly `{PREFIX}`"))
                .and_then(|content| header.read(content))
                .map_err(|reason| HeaderError { line, reason })?;
        }
        header.finish().map(Some).map_err(|reason| HeaderError { line: last, reason })
    }
}

/// Returns the content of a line that is meant for anchor. It is `None` if the line is not meant
/// for anchor, and `Some(None)` if it is, but does not start in the way that anchor writes it.
fn content(line: &str) -> Option<Option<&str>> {
    // A byte order mark does not count as white space.
    let line = line.trim_start_matches('\u{feff}').trim();
    let comment = line.trim_start_matches(['-', '#', '/', '*', ' ', '\t']);
    if comment.len() == line.len() {
        return None;
    }
    let (word, _) = comment.split_once(':')?;
    if !word.trim_end().eq_ignore_ascii_case("anchor") {
        return None;
    }
    // A formatter of SQL may indent the line or remove the space.
    let exact = line.strip_prefix("--").and_then(|rest| rest.trim_start().strip_prefix("anchor:"));
    Some(exact.map(str::trim))
}

/// Refuses what sqlx or the database would read differently from anchor.
fn misplaced(text: &str) -> Result<(), HeaderError> {
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}');
        let reason = if ["<<<<<<<", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
            "the file contains a merge conflict: resolve it".to_owned()
        } else if line.trim() == NO_TRANSACTION && !(at == 0 && text.starts_with(NO_TRANSACTION)) {
            format!(
                "sqlx reads `{NO_TRANSACTION}` only at the start of the file: move the line there"
            )
        } else {
            continue;
        };
        return Err(HeaderError { line: at + 1, reason });
    }
    Ok(())
}

/// The lines of a header that have been read.
#[derive(Default)]
struct Header {
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

impl Header {
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
                        "the format `{format}` is from another version of anchor, and this one \
                         reads `{FORMAT}`: use the version that wrote the file, or a newer one"
                    ));
                }
                once(&mut self.format, "format", format)?;
            }
            "table" => once(&mut self.table, "table", words.name()?)?,
            "dialect" => {
                let word = words.word()?;
                let dialect = Dialect::of_word(&word).ok_or_else(|| {
                    format!("`{word}` is not a dialect: write `postgres`, `mysql` or `sqlite`")
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
                    return Err(format!("the column `{}` occurs twice", column.name));
                }
                self.columns.push(column);
            }
            "index" => self.indexes.push(words.index(false)?),
            "unique" => {
                words.expect("index")?;
                self.indexes.push(words.index(true)?);
            }
            "cut_offs" => once(&mut self.cut_offs, "cut_offs", words.cut_offs()?)?,
            other => return Err(format!("`{other}` is unknown here")),
        }
        words.end()
    }

    fn finish(self) -> Result<State, String> {
        let missing = |what: &str| format!("the header lacks the line `{PREFIX} {what} ..`");
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
                    "the index `{}` is on the column `{}`, which is not in the header",
                    index.name, index.column
                ));
            }
        }
        if let Some(companion) = &state.table.cut_offs
            && state.table.column(&companion.subject).is_none()
        {
            return Err(format!(
                "the table `{}` is for the column `{}`, which is not in the header",
                companion.name, companion.subject
            ));
        }
        let written = self.hash.ok_or_else(|| missing("hash"))?;
        let hash = state.hash();
        if written != hash {
            return Err(format!(
                "the header was edited by hand: the hash of its lines is {hash}, not {written}; \
                 if the lines describe the table correctly, write `{PREFIX} hash {hash}`, and the \
                 same hash as `parent` in the next file"
            ));
        }
        Ok(state)
    }
}

/// Sets a value that a header has only once.
fn once<V>(slot: &mut Option<V>, what: &str, value: V) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{what}` occurs twice")),
    }
}
