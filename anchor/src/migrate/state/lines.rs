//! Writing a state as the lines of a header.

use sha2::{Digest, Sha256};

use super::{Answer, FORMAT, KINDS, PREFIX, State};
use crate::migrate::shape::on_delete_words;
use crate::schema::{Kind, Owner, SchemaOptions, TableColumn};

impl State {
    /// Returns the state's hash: 16 hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        let digest = Sha256::digest(self.lines().join("\n"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the header's lines, each with its line feed.
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
        let action = on_delete_words(target.on_delete);
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

/// Returns the words for the options that have columns.
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

/// Returns a name, in quotes unless it is a plain word.
fn name(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    if plain && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

/// Returns a text in quotes, on one line even if it contains line ends.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
