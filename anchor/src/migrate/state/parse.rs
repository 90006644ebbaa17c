//! A header's lines, read into a state.

use super::words::Words;
use super::{Answer, FORMAT, PREFIX, State};
use crate::schema::{CutOffsTable, Dialect, SchemaOptions, Table, TableColumn, TableIndex};

/// What sqlx looks for at a file's first byte.
const NO_TRANSACTION: &str = "-- no-transaction";

/// A header that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderError {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl State {
    /// Reads the header of a file. `None` when no line of it is anchor's.
    ///
    /// The header's lines may stand anywhere, below a licence or a `SET`: what makes them one is
    /// that they are the file's only ones. A line that is meant for anchor and not read is an
    /// error, for the table's history would go on without it.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, HeaderError> {
        let lines = text.lines().zip(1..);
        let meant: Vec<_> = lines.filter_map(|(text, line)| Some((line, content(text)?))).collect();
        let Some((last, _)) = meant.last().copied() else { return Ok(None) };
        misplaced(text)?;
        let mut header = Draft::default();
        for (line, content) in meant {
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
