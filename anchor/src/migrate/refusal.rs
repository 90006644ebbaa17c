//! [`Refusal`]: a change that the struct alone does not decide, with the choices and what to type
//! for each.

use std::fmt::{Display, Write};

use super::command::{DOWNTIME, DROP, DROP_IN_DOWNTIME};

/// A change that the struct alone does not decide. Nothing is written until all are decided.
///
/// ```
/// # mod before {
/// #     use anchor::prelude::*;
/// #     #[derive(Clone, SessionData)]
/// #     #[session(table = "sessions")]
/// #     pub struct UserSession {
/// #         #[session(subject)]
/// #         pub user_id: i64,
/// #         pub theme: Option<String>,
/// #     }
/// # }
/// use anchor::migrate::{MigrateError, Migrations, Refusal, write};
/// use anchor::prelude::*;
/// use anchor::schema::Dialect;
///
/// // The field `visits` is new, and has neither a `default` nor an `Option`.
/// #[derive(Clone, SessionData)]
/// #[session(table = "sessions")]
/// struct UserSession { #[session(subject)] user_id: i64, theme: Option<String>, visits: i64 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
/// # write(before::UserSession::schema(), &migrations)?;
/// let written = write(UserSession::schema(), &migrations);
/// let Err(MigrateError::Refused { refusals, .. }) = written else {
///     panic!("the struct does not decide what existing sessions get")
/// };
/// assert!(refusals.contains(&Refusal::NoValue { column: "visits".to_owned() }));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A new column has no value for existing sessions.
    #[error(
        "`{column}` is new, and existing sessions have no value for it. Choose:\n\
         \x20 - they get NULL:    make the field an `Option`\n\
         \x20 - they get a value: #[session(default = \"..\")], in SQL, such as \"0\" or \
         \"'text'\"\n\
         \x20 - they end:         #[session(on_change = \"end_sessions\")]"
    )]
    NoValue {
        /// The column.
        column: String,
    },
    /// A new unique column has a default, which would give all existing sessions the same value.
    #[error(
        "`{column}` is new and unique, and its default would give all existing sessions the same \
         value. Choose:\n\
         \x20 - they get NULL: make the field an `Option`, without `default`\n\
         \x20 - they end:      #[session(on_change = \"end_sessions\")], without `default`"
    )]
    SharedValue {
        /// The column.
        column: String,
    },
    /// Values of a unique column that do not fit its new type would all become the default.
    #[error(
        "`{column}` is unique, and values that do not fit its new type would all become the \
         default. Choose:\n\
         \x20 - sessions whose value does not fit end: #[session(on_change = \"end_sessions\")] on \
         the field\n\
         \x20 - the column is no longer unique: remove `unique` and write a migration, then make \
         this change"
    )]
    SharedDefault {
        /// The column.
        column: String,
    },
    /// A column was removed and another one gets its name, so its values would be lost.
    #[error(
        "`{column}` was removed from the struct, and another column gets its name. Its values \
         would be lost. Choose:\n\
         \x20 - keep it: give the other column a different name with #[session(column = \"..\")]\n\
         \x20 - drop it: {DROP_IN_DOWNTIME}"
    )]
    NameTaken {
        /// The column.
        column: String,
    },
    /// The previous release and the new one cannot use the same table.
    #[error(
        "{change}: the previous release and the new one cannot run at the same time. Choose:{}\n\
         \x20 - stop all processes of the application while the file is applied: {}",
        choices(instead), if *drops { DROP_IN_DOWNTIME } else { DOWNTIME }
    )]
    Downtime {
        /// What changes.
        change: String,
        /// What to write so that both can run.
        instead: Option<String>,
        /// Whether values are lost as well, here or in another refusal.
        drops: bool,
    },
    /// A column was removed, and a column of the same type is new.
    #[error(
        "`{column}` was removed from the struct, and a column of the same type is new. Choose:{}\n\
         \x20 - drop it and its values: {DROP}",
        choices(alike.iter().flat_map(|name| renamed_to(column, name)))
    )]
    RenamedOrDropped {
        /// The removed column.
        column: String,
        /// The new columns of its type.
        alike: Vec<String>,
    },
    /// A column's new type cannot hold all old values.
    #[error(
        "`{column}` changes from `{from}` to `{to}`, which cannot hold every old value. Choose, on \
         the field:{}\n\
         \x20 - sessions whose value does not fit end:     #[session(on_change = \
         \"end_sessions\")]{}\n\
         You can edit the SQL of the written file: anchor reads only its `-- anchor:` lines.",
        choices((!role).then_some(
            "values that do not fit become the default: #[session(default = \"..\")], in SQL, such \
             as \"0\" or \"'text'\""
        )),
        answered_before(*stale)
    )]
    Unfit {
        /// The column.
        column: String,
        /// The current type.
        from: String,
        /// The new type.
        to: String,
        /// Whether the column is the role, which never becomes its default.
        role: bool,
        /// Whether the field has an answer that an earlier change has used.
        stale: bool,
    },
    /// A column's new type can hold none of the old values.
    #[error(
        "`{column}` changes from `{from}` to `{to}`, which cannot hold any old value. Choose:{}\n\
         \x20 - all sessions end: #[session(on_change = \"end_sessions\")] on the field\n\
         \x20 - the values stay in the old column: keep its field in the struct, and give the new \
         field another column with #[session(column = \"..\")]{}",
        choices(lost_values(*role, *nullable)), answered_before(*stale)
    )]
    Reset {
        /// The column.
        column: String,
        /// The current type.
        from: String,
        /// The new type.
        to: String,
        /// Whether the column is the role, which never becomes its default.
        role: bool,
        /// Whether the sessions can get `NULL` instead.
        nullable: bool,
        /// Whether the field has an answer that an earlier change has used.
        stale: bool,
    },
    /// The cast to a column's new type may round or truncate values.
    #[error(
        "`{column}` changes from `{from}` to `{to}`. The database's cast may round or truncate \
         values. Choose:\n\
         \x20 - cast them:        {DROP}\n\
         \x20 - all sessions end: #[session(on_change = \"end_sessions\")] on the field{}",
        answered_before(*stale)
    )]
    Inexact {
        /// The column.
        column: String,
        /// The current type.
        from: String,
        /// The new type.
        to: String,
        /// Whether the field has an answer that an earlier change has used.
        stale: bool,
    },
    /// Variants of a column's enum were removed, and sessions may have them.
    #[error(
        "`{column}` can be `{}` in existing sessions, and the enum no longer has that variant. \
         Choose:{}\n\
         \x20 - sessions that have it end: #[session(on_change = \"end_sessions\")] on the \
         field{}{}",
        variants.join("`, `"), choices(variants.iter().flat_map(|name| variant_renamed(name))),
        variants_done(done), answered_before(*stale)
    )]
    VariantsRemoved {
        /// The column.
        column: String,
        /// The variants as they are stored.
        variants: Vec<String>,
        /// Those whose `renamed_from` an earlier migration has already carried out.
        done: Vec<String>,
        /// Whether the field has an answer that an earlier change has used.
        stale: bool,
    },
    /// A variant's `renamed_from` names another variant that still exists.
    #[error(
        "the variant `{to}` of `{column}` has `renamed_from = {from:?}`, but `{from}` is still a \
         variant. Choose:\n\
         \x20 - an earlier migration has renamed it: remove `renamed_from = {from:?}`\n\
         \x20 - the two variants swap names: #[column(renamed_from = {to:?})] on `{from}` too"
    )]
    VariantInBoth {
        /// The column.
        column: String,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// The companion table with the cut-offs would be dropped.
    #[error(
        "`cut_off` was removed from the struct. Dropping `{table}` also drops the record of which \
         logins it refuses. Choose:\n\
         \x20 - drop it: {DROP_IN_DOWNTIME} (the sessions that it refuses end first)\n\
         \x20 - keep it: restore `cut_off`"
    )]
    CutOffsDropped {
        /// The companion table.
        table: String,
    },
    /// A column's `renamed_from` names a column that neither the migrations nor the struct have.
    #[error(
        "`{column}` is new and has `renamed_from = \"{from}\"`, but no migration has a column \
         `{from}`: correct or remove the `renamed_from`"
    )]
    RenamedFromNothing {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A column's `renamed_from` names a system column of anchor.
    #[error(
        "`{column}` has `renamed_from = \"{from}\"`, but `{from}` is a system column of anchor: \
         remove the `renamed_from`"
    )]
    RenamedFromSystem {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A column's `renamed_from` names another column, and both are in the migrations and in the
    /// struct.
    #[error(
        "`{column}` has `renamed_from = \"{from}\"`, but both columns are in the migrations and in \
         the struct. Choose:\n\
         \x20 - an earlier migration has renamed it: remove `renamed_from = \"{from}\"` from \
         `{column}`\n\
         \x20 - the two columns swap names: #[session(renamed_from = \"{column}\")] on `{from}` \
         too\n\
         \x20 - `{column}` gets the values of `{from}`, and `{from}` starts empty: give `{from}` \
         another name, and write one migration per step"
    )]
    RenamedToBoth {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A migration has already carried out a column's `renamed_from`, and now another column with
    /// the old name was removed.
    #[error(
        "`{column}` has `renamed_from = \"{from}\"`, which an earlier migration has carried out, \
         and now another column `{from}` was removed. Choose:\n\
         \x20 - drop `{from}`: remove `renamed_from = \"{from}\"` from `{column}`\n\
         \x20 - `{column}` gets the values of `{from}` instead of its own: remove `{column}` and \
         keep `{from}` for one migration, then rename it"
    )]
    RenamedAgain {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// A migration has already carried out a column's `renamed_from`, and now the struct gives that
    /// column another name and a different field the same `renamed_from`.
    #[error(
        "`{column}` has `renamed_from = \"{from}\"`, which an earlier migration has carried out. \
         Now that column gets another name, and there is still a column `{from}`. Choose:\n\
         \x20 - `{column}` is a new column: remove `renamed_from = \"{from}\"` from `{column}`\n\
         \x20 - `{column}` gets the values of `{from}`: undo the change, remove `renamed_from = \
         \"{from}\"` and write a migration, then make the change again"
    )]
    RenamedOnward {
        /// The column.
        column: String,
        /// The old name.
        from: String,
    },
    /// SQLite stores a default in a form that the store cannot read.
    #[error(
        "`{column}` has the default {default}, which SQLite stores as text, but the store reads \
         {stored}: write #[session(default = \"{instead}\")]"
    )]
    UnreadableDefault {
        /// The column.
        column: String,
        /// The default.
        default: String,
        /// How values of the field's type are stored.
        stored: &'static str,
        /// The default to write instead.
        instead: &'static str,
    },
    /// Two columns have the same `renamed_from`.
    #[error(
        "`{}` and `{}` both have `renamed_from = \"{from}\"`: remove it from one of them",
        to[0], to[1]
    )]
    RenamedTwice {
        /// The old name.
        from: String,
        /// The columns that have it.
        to: [String; 2],
    },
}

impl Refusal {
    /// Returns whether one of the choices loses values.
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

/// Returns the choices, one per line.
fn choices(choices: impl IntoIterator<Item = impl Display>) -> String {
    choices.into_iter().fold(String::new(), |mut lines, choice| {
        let _ = write!(lines, "\n  - {choice}");
        lines
    })
}

/// Returns the two ways to rename a removed column.
fn renamed_to(column: &str, name: &str) -> [String; 2] {
    [
        format!(
            "the field is now `{name}`, and the column keeps its name: #[session(column = \
             \"{column}\")] on `{name}`"
        ),
        format!(
            "the field is now `{name}`, and the column is renamed too: #[session(renamed_from = \
             \"{column}\")] on `{name}`, and {DOWNTIME}"
        ),
    ]
}

/// Returns the two ways to rename a removed variant.
fn variant_renamed(name: &str) -> [String; 2] {
    [
        format!(
            "`{name}` has another name now and is stored as before: #[column(rename = {name:?})] \
             on the variant"
        ),
        format!(
            "`{name}` has another name now and is stored under it:  #[column(renamed_from = \
             {name:?})] on the variant, and {DOWNTIME}"
        ),
    ]
}

/// Returns what to do about variants that an earlier migration has already renamed.
fn variants_done(done: &[String]) -> String {
    let lines = done.iter().map(|name| {
        format!(
            "\nThere is already a `renamed_from = {name:?}`, which an earlier migration has \
             carried out. To repeat it, restore `{name}`, remove `renamed_from = {name:?}` and \
             write a migration, then make this change."
        )
    });
    lines.collect()
}

/// Returns the choices that lose the values. The role never becomes its default.
fn lost_values(role: bool, nullable: bool) -> Vec<String> {
    let null = format!("the values are lost, and every session gets NULL: {DROP_IN_DOWNTIME}");
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

/// Explains that an answer is used once, unless values may be lost.
fn answered_before(stale: bool) -> String {
    match stale {
        false => String::new(),
        true => format!(
            "\nThe attribute that is on the field was there before this change. If it applies to \
             this change too: {DROP}"
        ),
    }
}
