//! [`Refusal`]: a change that cannot be decided from the struct, with the choices and what to type
//! for each.

use std::fmt::{Display, Write};

use super::command::{DOWNTIME, DROP, DROP_IN_DOWNTIME};

/// A change that the struct leaves open. Nothing is written until each is answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A new column has no value for the sessions that exist.
    #[error(
        "`{column}` is new, and the sessions that exist have no value for it. Choose:\n\
         \x20 - they have none: make the field an `Option`\n\
         \x20 - they get one:   #[session(default = \"..\")], as SQL: \"0\" or \"'text'\"\n\
         \x20 - they end:       #[session(on_change = \"end_sessions\")]"
    )]
    NoValue {
        /// The column.
        column: String,
    },
    /// A new column's default would give every session that exists the same value, and it is
    /// unique.
    #[error(
        "`{column}` is new and unique, and its default would give the sessions that exist all the \
         same value. Choose:\n\
         \x20 - they have none: make the field an `Option`, without `default`\n\
         \x20 - they end:       #[session(on_change = \"end_sessions\")], without `default`"
    )]
    SharedValue {
        /// The column.
        column: String,
    },
    /// The values of a unique column that do not fit would all become its default.
    #[error(
        "`{column}` is unique, and values that do not fit its new type would all become the \
         default. Choose:\n\
         \x20 - sessions whose value does not fit end: #[session(on_change = \"end_sessions\")] on \
         the field\n\
         \x20 - it is unique no longer: remove `unique`, and write a migration; then make this \
         change"
    )]
    SharedDefault {
        /// The column.
        column: String,
    },
    /// A column is gone and another one gets its name, so that its values would be lost.
    #[error(
        "`{column}` is gone from the struct, and another column gets its name; its values are \
         lost. Choose:\n\
         \x20 - keep it: give the other one another name, #[session(column = \"..\")]\n\
         \x20 - drop it: {DROP_IN_DOWNTIME}"
    )]
    NameTaken {
        /// The column.
        column: String,
    },
    /// Neither the release before nor the next one can run on the other's table.
    #[error(
        "{change}: the release before and the new one cannot both run. Choose:{}\n\
         \x20 - no process of the application runs while the file is applied: {}",
        choices(instead), if *drops { DROP_IN_DOWNTIME } else { DOWNTIME }
    )]
    Downtime {
        /// What changes.
        change: String,
        /// What to write so that both can.
        instead: Option<String>,
        /// Whether values may be lost, or another refusal says so.
        drops: bool,
    },
    /// A column is gone and another of its type is new.
    #[error(
        "`{column}` is gone from the struct, and a column of its type is new. Choose:{}\n\
         \x20 - drop it with its values: {DROP}",
        choices(alike.iter().flat_map(|name| renamed_to(column, name)))
    )]
    RenamedOrDropped {
        /// The column that is gone.
        column: String,
        /// The new ones of its type.
        alike: Vec<String>,
    },
    /// A column's old values do not all fit its new type.
    #[error(
        "`{column}` is {from} and shall be {to}, which does not hold every old value. Choose, on \
         the field:{}\n\
         \x20 - sessions whose value does not fit end:     #[session(on_change = \
         \"end_sessions\")]{}\n\
         Then you may edit the SQL of the file: only its `-- anchor:` lines are read.",
        choices((!role).then_some(
            "values that do not fit become the default: #[session(default = \"..\")], as SQL: \
             \"0\" or \"'text'\""
        )),
        answered_before(*stale)
    )]
    Unfit {
        /// The column.
        column: String,
        /// The type that it has.
        from: String,
        /// The type that it shall have.
        to: String,
        /// Whether it is the role, which never falls to its default.
        role: bool,
        /// Whether the field has an answer that belongs to an earlier change.
        stale: bool,
    },
    /// A column's old values have nothing in common with its new type.
    #[error(
        "`{column}` is {from} and shall be {to}, which holds none of the old values. Choose:{}\n\
         \x20 - all sessions end: #[session(on_change = \"end_sessions\")] on the field\n\
         \x20 - the values stay in a column of the old name: give the field another with \
         #[session(column = \"..\")], and keep this one in the struct{}",
        choices(lost_values(*role, *nullable)), answered_before(*stale)
    )]
    Reset {
        /// The column.
        column: String,
        /// The type that it has.
        from: String,
        /// The type that it shall have.
        to: String,
        /// Whether it is the role, which never falls to its default.
        role: bool,
        /// Whether the sessions may have `NULL` instead.
        nullable: bool,
        /// Whether the field has an answer that belongs to an earlier change.
        stale: bool,
    },
    /// A cast to a column's new type may round or cut its values.
    #[error(
        "`{column}` is {from} and shall be {to}; the database's cast may round or cut values. \
         Choose:\n\
         \x20 - cast them:        {DROP}\n\
         \x20 - all sessions end: #[session(on_change = \"end_sessions\")] on the field{}",
        answered_before(*stale)
    )]
    Inexact {
        /// The column.
        column: String,
        /// The type that it has.
        from: String,
        /// The type that it shall have.
        to: String,
        /// Whether the field has an answer that belongs to an earlier change.
        stale: bool,
    },
    /// Variants of a column's enum are gone, and sessions may have them.
    #[error(
        "`{column}` may be `{}` in sessions, and the enum has no such variant any more. Choose:{}\n\
         \x20 - the sessions that have it end: #[session(on_change = \"end_sessions\")] on the \
         field{}{}",
        variants.join("`, `"), choices(variants.iter().flat_map(|name| variant_renamed(name))),
        variants_done(done), answered_before(*stale)
    )]
    VariantsRemoved {
        /// The column.
        column: String,
        /// The variants, as they are stored.
        variants: Vec<String>,
        /// Those of them that a variant says it was, which a migration has done before.
        done: Vec<String>,
        /// Whether the field has an answer that belongs to an earlier change.
        stale: bool,
    },
    /// A variant says that it was another one, which is a variant still.
    #[error(
        "the variant `{to}` of `{column}` says that it was `{from}`, which is a variant still. \
         Choose:\n\
         \x20 - it was renamed long ago: remove `renamed_from = {from:?}`\n\
         \x20 - the two change places: #[column(renamed_from = {to:?})] on the other"
    )]
    VariantInBoth {
        /// The column.
        column: String,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// The companion table of the cut-offs would be dropped.
    #[error(
        "`cut_off` is gone from the struct; dropping `{table}` forgets which logins it refuses. \
         Choose:\n\
         \x20 - drop it: {DROP_IN_DOWNTIME} (sessions that it refuses end first)\n\
         \x20 - keep it: put `cut_off` back"
    )]
    CutOffsDropped {
        /// The companion table.
        table: String,
    },
    /// A column says that it was one that neither the migrations nor the struct know.
    #[error(
        "`{column}` is new and says that it was `{from}`, and the migrations know no such column: \
         correct or remove `renamed_from = \"{from}\"`"
    )]
    RenamedFromNothing {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A column says that it was one of anchor's own.
    #[error(
        "`{column}` says that it was `{from}`, which is a column of anchor's own: remove \
         `renamed_from = \"{from}\"`"
    )]
    RenamedFromSystem {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A column says that it was another one, and both are in the migrations and in the struct.
    #[error(
        "`{column}` says that it was `{from}`, and both are in the migrations and in the struct. \
         Choose:\n\
         \x20 - it was renamed long ago: remove `renamed_from = \"{from}\"` from `{column}`\n\
         \x20 - the two change places:   #[session(renamed_from = \"{column}\")] on `{from}` too\n\
         \x20 - `{column}` gets the values of `{from}`, and `{from}` starts anew: give `{from}` \
         another name, and write a migration for each"
    )]
    RenamedToBoth {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A column says what it was, a migration has renamed it, and another column of the old name
    /// is gone now.
    #[error(
        "`{column}` says that it was `{from}`; a migration has done that, and now another column \
         `{from}` is gone. Choose:\n\
         \x20 - `{from}` is dropped: remove `renamed_from = \"{from}\"` from `{column}`\n\
         \x20 - `{column}` gets the values of `{from}` in place of its own: remove `{column}` and \
         keep `{from}` for one migration, then rename it"
    )]
    RenamedAgain {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A column says what it was, a migration has renamed it, and now it has another name again,
    /// while its own goes to a column that says the same.
    #[error(
        "`{column}` says that it was `{from}`; a migration has done that, and now that column gets \
         another name, while there is a `{from}` still. Choose:\n\
         \x20 - `{column}` is a new column: remove `renamed_from = \"{from}\"` from `{column}`\n\
         \x20 - `{column}` gets the values of `{from}`: put the columns back, remove `renamed_from \
         = \"{from}\"`, and write a migration; then make this change"
    )]
    RenamedOnward {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A default that SQLite stores in a form which the store does not read.
    #[error(
        "`{column}` has the default {default}, which SQLite stores as a text, and the store reads \
         {stored}: write #[session(default = \"{instead}\")]"
    )]
    UnreadableDefault {
        /// The column.
        column: String,
        /// The default.
        default: String,
        /// What the field's type is stored as.
        stored: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// Two columns say that they were one.
    #[error(
        "`{}` and `{}` both say that they were `{from}`: remove `renamed_from = \"{from}\"` from \
         one of them",
        to[0], to[1]
    )]
    RenamedTwice {
        /// The old name.
        from: String,
        /// The columns that claim it.
        to: [String; 2],
    },
}

impl Refusal {
    /// Whether one of its choices is to lose values.
    pub(crate) fn may_drop(&self) -> bool {
        matches!(
            self,
            Refusal::NameTaken { .. }
                | Refusal::RenamedOrDropped { .. }
                | Refusal::Reset { .. }
                | Refusal::Inexact { .. }
                | Refusal::CutOffsDropped { .. }
        )
    }
}

/// Choices, each on a line of its own.
fn choices(choices: impl IntoIterator<Item = impl Display>) -> String {
    choices.into_iter().fold(String::new(), |mut lines, choice| {
        let _ = write!(lines, "\n  - {choice}");
        lines
    })
}

/// What to type if a column that is gone has another name now.
fn renamed_to(column: &str, name: &str) -> [String; 2] {
    [
        format!(
            "it is `{name}` now, and the column keeps its name: #[session(column = \"{column}\")] \
             on `{name}`"
        ),
        format!(
            "it is `{name}` now, and so is the column: #[session(renamed_from = \"{column}\")] on \
             `{name}`, and {DOWNTIME}"
        ),
    ]
}

/// What to type if a variant that is gone has another name now.
fn variant_renamed(name: &str) -> [String; 2] {
    [
        format!(
            "`{name}` is another variant now, stored as it was: #[column(rename = {name:?})] on \
             that variant"
        ),
        format!(
            "`{name}` is another variant now, stored as that:    #[column(renamed_from = \
             {name:?})] on it, and {DOWNTIME}"
        ),
    ]
}

/// What to type if a migration has renamed these variants before.
fn variants_done(done: &[String]) -> String {
    let lines = done.iter().map(|name| {
        format!(
            "\n`renamed_from = {name:?}` is there already, and a migration has done that once. To \
             have it done again, put `{name}` back, remove `renamed_from = {name:?}`, and write a \
             migration; then make this change."
        )
    });
    lines.collect()
}

/// What to type if the values may be lost. The role never falls to its default.
fn lost_values(role: bool, nullable: bool) -> Vec<String> {
    let null = format!("the values are lost, and every session has NULL: {DROP_IN_DOWNTIME}");
    let default = format!(
        "the values are lost, and every session gets the default: #[session(default = \"..\")] on \
         the field, and {DROP_IN_DOWNTIME}"
    );
    match (role, nullable) {
        (true, _) => Vec::new(),
        (false, true) => vec![null, default],
        (false, false) => vec![default],
    }
}

/// An answer holds once, unless values may be given up.
fn answered_before(stale: bool) -> String {
    match stale {
        false => String::new(),
        true => format!(
            "\nWhat the field says now was there before this change. If it is the answer to this \
             one as well: {DROP}"
        ),
    }
}
