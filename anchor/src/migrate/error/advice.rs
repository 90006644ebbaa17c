//! The parts of a message that depend on its data: the choices, and the commands to type.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::migrate::command::{CREATE, REPLACE, WRITE};
use crate::migrate::refusal::Refusal;
use crate::schema::Dialect;

/// Returns the items with the separator between them.
pub(super) fn joined(items: &[impl Display], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// Explains downtime, and when it needs no preparation.
pub(super) fn downtime(refusals: &[Refusal]) -> &'static str {
    let needs_downtime = |refusal: &Refusal| matches!(refusal, Refusal::Downtime { .. });
    match refusals.iter().any(needs_downtime) {
        false => "",
        true => {
            "\n\nWhile a release is deployed, the previous one still runs, unless it is stopped \
             first. An application with a single process that applies its migrations when it \
             starts needs nothing else for `downtime`."
        }
    }
}

/// Returns what to do if the newest migration itself is the mistake.
pub(super) fn replacement(newest: Option<&Path>) -> String {
    newest.map_or_else(String::new, |file| {
        format!(
            "\n\nIf {} is wrong and has not been applied to any database, replace it:\n  {REPLACE}",
            file.display()
        )
    })
}

/// Returns the message for a table that a migration has renamed.
pub(super) fn table_renamed(
    table: &str,
    from: Option<&str>,
    now: &str,
    file: &Path,
    is_newest: bool,
) -> String {
    let file = file.display();
    let (is, renamed, new) = match from {
        None => (
            format!(
                "the table `{table}` no longer exists: {file} renamed it, and it is now `{now}`. \
                 Choose:"
            ),
            format!("the struct means `{now}`, and the table gets its old name again"),
            format!("the struct means a new table: {CREATE}"),
        ),
        Some(from) => (
            format!(
                "`{table}` has `renamed_from = \"{from}\"`, but {file} renamed that table, which \
                 is now `{now}`. Choose:"
            ),
            format!("the struct means `{now}`, and the table gets another name"),
            format!(
                "the struct means a new table: remove `renamed_from = \"{from}\"` from the struct"
            ),
        ),
    };
    let replace = match is_newest {
        true => {
            format!("\n  - that file is wrong and has not been applied to any database: {REPLACE}")
        }
        false => String::new(),
    };
    format!(
        "{is}\n\
         \x20 - the struct has the old name by mistake: #[session(table = \"{now}\")]\n\
         \x20 - {renamed}: #[session(renamed_from = \"{now}\")] on the struct\n\
         \x20 - {new}{replace}"
    )
}

/// Returns what to do if a migration created a table instead of renaming one.
pub(super) fn creation_by_mistake(table: &str, created: &[PathBuf]) -> String {
    match created {
        [] => String::new(),
        files => format!(
            "\n  - `{table}` was created by mistake, and the migration has not been applied to any \
             database:\n\
             \x20     rm {}\n\
             \x20     {WRITE}",
            removal(files)
        ),
    }
}

/// Returns the files, each with its down file.
pub(super) fn removal(files: &[PathBuf]) -> String {
    let both = |file: &PathBuf| {
        let up = file.display().to_string();
        match up.strip_suffix(".up.sql") {
            Some(stem) => format!("{up} {stem}.down.sql"),
            None => up,
        }
    };
    files.iter().map(both).collect::<Vec<_>>().join(" ")
}

/// Returns the commands that give a file, and its down file, another version.
pub(super) fn renaming(file: &Path, version: i64) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let (before, description) = name.split_once('_').unwrap_or(("", &name));
    let digits = before.len();
    let down = description.strip_suffix(".up.sql").map(|stem| format!("{stem}.down.sql"));
    let descriptions = [description.to_owned()].into_iter().chain(down);
    let lines = descriptions.map(|description| {
        let old = file.with_file_name(format!("{before}_{description}"));
        let new = file.with_file_name(format!("{version:0digits$}_{description}"));
        format!("  mv {} {}", old.display(), new.display())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns a name that sqlx reads: the same name in lower case, if only the case is wrong.
pub(super) fn well_named(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    match name.split_once('_') {
        Some((version, _)) if version.parse::<i64>().is_ok() => file.with_file_name(name),
        _ => file.with_file_name(format!("<version>_{}", name.trim_start_matches('_'))),
    }
}

/// Returns the folder for a dialect, beside this file's folder or in it.
pub(super) fn of_dialect(file: &Path, dialect: Dialect) -> PathBuf {
    let folder = file.parent().unwrap_or(file);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    match Dialect::of_word(&name) {
        Some(_) => folder.with_file_name(dialect.word()),
        None => folder.join(dialect.word()),
    }
}

/// Returns the command that shows the committed version of a file.
pub(super) fn committed(file: &Path) -> String {
    let (folder, name) = (file.parent().unwrap_or(file), file.file_name().unwrap_or_default());
    format!("git -C {} show HEAD:./{}", folder.display(), name.display())
}

/// Returns the command that lists commits: those that mention this hash, or, if it is `None`, those
/// that added or deleted files in the folder.
pub(super) fn history(file: &Path, hash: Option<&str>) -> String {
    let folder = file.parent().unwrap_or(file).display();
    match hash {
        Some(hash) => format!("git -C {folder} log --all --name-only -S 'hash {hash}' -- ."),
        None => format!("git -C {folder} log --all --name-status --diff-filter=AD -- ."),
    }
}

pub(super) fn lines(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("  {}", file.display())).collect::<Vec<_>>().join("\n")
}
