//! [`Refusal`]: a change that cannot be decided from the struct, with the choices and what to type for each.

use std::fmt;

/// A change that the struct leaves open. Nothing is written until each is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A new column has no value for the sessions that exist.
    NoValue {
        /// The column.
        column: String,
    },
    /// A new column's default would give every session that exists the same value, and it is unique.
    SharedValue {
        /// The column.
        column: String,
    },
    /// A column would be dropped with its values.
    Dropped {
        /// The column.
        column: String,
    },
    /// A column is gone and another of its type is new.
    RenamedOrDropped {
        /// The column that is gone.
        column: String,
        /// The new ones of its type.
        alike: Vec<String>,
    },
    /// A column's old values do not all fit its new type.
    Unfit {
        /// The column.
        column: String,
        /// The type that it has.
        from: String,
        /// The type that it shall have.
        to: String,
    },
    /// Two columns say that they were one.
    RenamedTwice {
        /// The old name.
        from: String,
        /// The columns that claim it.
        to: [String; 2],
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoValue { column } => write!(
                f,
                "`{column}` is new, and the sessions that exist have no value for it. Choose:\n\
                 \x20 - they have none: make the field an `Option`\n\
                 \x20 - they get one:   #[session(default = \"..\")], as SQL: \"0\" or \"'text'\"\n\
                 \x20 - they end:       #[session(on_change = \"end_sessions\")]"
            ),
            Refusal::SharedValue { column } => write!(
                f,
                "`{column}` is new and unique, and its default would give the sessions that exist all the same value. Choose:\n\
                 \x20 - they have none: make the field an `Option`, without `default`\n\
                 \x20 - they end:       #[session(on_change = \"end_sessions\")], without `default`"
            ),
            Refusal::Dropped { column } => write!(
                f,
                "`{column}` is gone from the struct; dropping the column loses its values. Choose:\n\
                 \x20 - drop it: ANCHOR_MIGRATE=drop cargo test anchor_migrations\n\
                 \x20 - keep it: put the field back"
            ),
            Refusal::RenamedOrDropped { column, alike } => {
                write!(
                    f,
                    "`{column}` is gone from the struct, and a column of its type is new. Choose:"
                )?;
                for name in alike {
                    write!(
                        f,
                        "\n  - it is `{name}` now: #[session(renamed_from = \"{column}\")] on `{name}`"
                    )?;
                }
                write!(
                    f,
                    "\n  - drop it with its values: ANCHOR_MIGRATE=drop cargo test anchor_migrations"
                )
            }
            Refusal::Unfit { column, from, to } => write!(
                f,
                "`{column}` is {from} and shall be {to}, which does not hold every old value. Choose, on the field:\n\
                 \x20 - values that do not fit become the default: #[session(default = \"..\")], \
                 as SQL: \"0\" or \"'text'\"\n\
                 \x20 - all sessions end:                          #[session(on_change = \"end_sessions\")]\n\
                 With either you may then edit the SQL of the file: only its `-- anchor:` lines are read."
            ),
            Refusal::RenamedTwice { from, to: [first, second] } => write!(
                f,
                "`{first}` and `{second}` both say that they were `{from}`: \
                 remove `renamed_from = \"{from}\"` from one of them"
            ),
        }
    }
}
