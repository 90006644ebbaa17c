//! [`Script`]: the statements of a file, each with its comments.

/// The SQL of a migration.
#[derive(Debug, Default)]
pub(crate) struct Script {
    statements: Vec<Statement>,
    /// The comments for the next statement.
    comments: Vec<String>,
}

#[derive(Debug)]
struct Statement {
    comments: Vec<String>,
    sql: String,
    /// Whether it only takes a lock or sets a variable for the statements that follow.
    prepares: bool,
}

impl Script {
    /// Adds a comment to the next statement.
    pub(super) fn comment(&mut self, comment: impl Into<String>) {
        let comment = comment.into();
        if !self.comments.contains(&comment) {
            self.comments.push(comment);
        }
    }

    /// Returns whether the next statement has a comment.
    pub(super) fn has_comment(&self) -> bool {
        !self.comments.is_empty()
    }

    /// Adds a statement, without its semicolon.
    pub(super) fn run(&mut self, sql: impl Into<String>) {
        let comments = std::mem::take(&mut self.comments);
        self.statements.push(Statement { comments, sql: sql.into(), prepares: false });
    }

    /// Adds a statement that only prepares those that follow.
    pub(super) fn prepare(&mut self, sql: impl Into<String>) {
        self.run(sql);
        if let Some(statement) = self.statements.last_mut() {
            statement.prepares = true;
        }
    }

    /// Adds statements before the one that the comments so far belong to.
    pub(super) fn before_comments(&mut self, write: impl FnOnce(&mut Self)) {
        let comments = std::mem::take(&mut self.comments);
        write(self);
        self.comments = comments;
    }

    /// Adds one `ALTER TABLE` with these clauses, or nothing if there are none.
    pub(super) fn alter(&mut self, table: &str, clauses: &[String]) {
        match clauses {
            [] => {}
            [one] => self.run(format!("ALTER TABLE {table} {one}")),
            many => self.run(format!("ALTER TABLE {table}\n    {}", many.join(",\n    "))),
        }
    }

    /// Adds a statement that does nothing, because a file must have at least one statement.
    pub(super) fn do_nothing(mut self, why: &str) -> Self {
        self.comment(why);
        self.run("SELECT 1");
        self
    }

    /// Returns whether all statements only prepare others.
    pub(super) fn does_nothing(&self) -> bool {
        self.statements.iter().all(|statement| statement.prepares)
    }

    /// Removes the first statement and returns it.
    pub(super) fn take_first(&mut self) -> Self {
        let statements = self.statements.drain(..1).collect();
        Self { statements, comments: Vec::new() }
    }

    /// Adds the statements of another script. The first one gets the comments so far as well.
    pub(super) fn append(&mut self, other: Self) {
        for mut statement in other.statements {
            statement.comments.splice(..0, std::mem::take(&mut self.comments));
            self.statements.push(statement);
        }
    }

    /// Returns the text, below a comment on the whole file.
    pub(crate) fn text_after(&self, comment: Option<&str>) -> String {
        let comment = comment.map_or_else(String::new, |comment| wrapped(comment) + "\n");
        comment + &self.text()
    }

    /// Returns the statements with their comments, without empty lines between short ones.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut after_short = false;
        for Statement { comments, sql, .. } in &self.statements {
            let is_short = !sql.contains('\n');
            let stands_close = comments.is_empty() && is_short && after_short;
            if !(text.is_empty() || stands_close) {
                text.push('\n');
            }
            after_short = is_short;
            for comment in comments {
                text.push_str(&wrapped(comment));
            }
            text.push_str(sql);
            text.push_str(";\n");
        }
        text
    }
}

/// Returns a comment in lines of at most 100 characters.
fn wrapped(comment: &str) -> String {
    let words: Vec<_> = comment.split(' ').map(str::to_owned).collect();
    filled("-- ", &words, " ") + "\n"
}

/// Returns words in lines that begin with `indent` and are at most 100 characters long, unless a
/// word is longer.
pub(super) fn filled(indent: &str, words: &[String], separator: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + separator.len() + word.chars().count() <= 100 => {
                line.push_str(separator);
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join(&format!("{}\n", separator.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_wrapped_and_short_statements_stand_together() {
        let mut script = Script::default();
        script.comment("word ".repeat(30).trim());
        script.run("CREATE INDEX a ON t (a)");
        script.run("DROP INDEX b");
        script.run("ALTER TABLE t\n    ADD a");
        let text = script.text();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(
            text.ends_with(
                "\nCREATE INDEX a ON t (a);\nDROP INDEX b;\n\nALTER TABLE t\n    ADD a;\n"
            ),
            "{text}"
        );
    }
}
