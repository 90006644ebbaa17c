//! [`Words`]: the words of a header's line, and the things that they describe.

use std::str::FromStr;

use super::lines::quoted;
use super::{Answer, KINDS};
use crate::schema::{
    CutOffsTable, ForeignKey, Kind, OnDelete, Owner, SchemaOptions, TableColumn, TableIndex,
};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// The tokens of a header's line.
pub(super) struct Words {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Words {
    pub(super) fn of(line: &str) -> Result<Self, String> {
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

    pub(super) fn word(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(unexpected("a word", other)),
        }
    }

    pub(super) fn name(&mut self) -> Result<String, String> {
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

    /// Reads `2 of 3`.
    pub(super) fn step(&mut self) -> Result<(usize, usize), String> {
        let step = self.number()?;
        self.expect("of")?;
        Ok((step, self.number()?))
    }

    pub(super) fn cut_offs(&mut self) -> Result<CutOffsTable, String> {
        let name = self.name()?;
        self.expect("on")?;
        let subject = self.name()?;
        self.expect("as")?;
        Ok(CutOffsTable { name, subject, subject_type: self.text()? })
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<(), String> {
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

    /// Returns whether the next token is this word, and takes it if so.
    fn take(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(found) if found == word)).is_some()
    }

    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.tokens.next() {
            None => Ok(()),
            token => Err(unexpected("the line's end", token)),
        }
    }

    pub(super) fn index(&mut self, unique: bool) -> Result<TableIndex, String> {
        let name = self.name()?;
        self.expect("on")?;
        Ok(TableIndex { name, column: self.name()?, unique })
    }

    pub(super) fn column(&mut self) -> Result<TableColumn, String> {
        let name = self.name()?;
        let kind = self.kind()?;
        let custom = self.take("custom");
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
        if self.take("from") {
            let least = self.number()?;
            self.expect("to")?;
            column.range = Some((least, self.number()?));
        }
        if self.take("not") {
            self.expect("null")?;
            column.nullable = false;
        }
        if self.take("primary") {
            self.expect("key")?;
            column.primary_key = true;
        }
        if self.take("default") {
            column.default = Some(self.text()?);
        }
        if self.take("references") {
            column.references = Some(self.reference()?);
        }
        if self.take("leaving") {
            let is_system = self.take("system");
            column.leaving = Some(if is_system { Owner::Anchor } else { Owner::Payload });
        }
        Ok(column)
    }

    fn number<N: FromStr>(&mut self) -> Result<N, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("expected a number, found `{word}`"))
    }

    /// Reads a list in parentheses, with commas.
    fn list<T>(&mut self, item: fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        self.mark('(')?;
        let mut items = vec![item(self)?];
        while self.tokens.next_if_eq(&Token::Mark(',')).is_some() {
            items.push(item(self)?);
        }
        self.mark(')')?;
        Ok(items)
    }

    pub(super) fn options(&mut self) -> Result<SchemaOptions, String> {
        let mut options = SchemaOptions::NONE;
        while self.tokens.peek().is_some() {
            options = match self.word()?.as_str() {
                "keep_ended" => options.keep_ended(),
                "track" => options.track(),
                "fingerprint" => options.fingerprint(),
                other => return Err(format!("`{other}` is unknown here")),
            };
        }
        Ok(options)
    }

    /// Reads the answers for a column, which are at the end of its line.
    pub(super) fn answer(&mut self, column: &str) -> Result<Answer, String> {
        let mut answer = Answer { column: column.to_owned(), ..Answer::default() };
        if self.take("was") {
            answer.was = Some(self.name()?);
        }
        if self.take("on_change") {
            self.expect("end_sessions")?;
            answer.ends = true;
        }
        if self.take("variants") {
            answer.variants = self.list(|words| {
                let from = words.text()?;
                words.expect("to")?;
                Ok((from, words.text()?))
            })?;
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
                .ok_or_else(|| format!("`{word}` is not the type of a column"));
        }
        self.list(Self::text).map(Kind::Enum)
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
            other => return Err(format!("`{other}` is not an action on a deletion")),
        };
        Ok(ForeignKey { table, column, on_delete })
    }
}

fn unexpected(wanted: &str, found: Option<Token>) -> String {
    match found {
        None => format!("expected {wanted}, but the line ends"),
        Some(Token::Word(word)) => format!("expected {wanted}, found `{word}`"),
        Some(Token::Text(text)) => format!("expected {wanted}, found {}", quoted(&text)),
        Some(Token::Mark(mark)) => format!("expected {wanted}, found `{mark}`"),
    }
}
