//! [`Revision`]: which migrations of a folder are replaced, and which ones are written.

use super::deployment::Moment;
use super::error::MigrateError;
use super::folder::{Draft, Folder, Managed};
use super::migrations::Migrations;
use super::state::State;
use super::steps::{self, difference, refused};
use super::unreadable_default::unreadable_defaults;
use super::{baseline, fastapi_anchor, name, write};
use crate::schema::{Dialect, Schema, Table};

/// The change of one folder's files.
pub(super) struct Revision {
    /// The versions of the migrations that are removed.
    pub(super) replaced: Vec<i64>,
    pub(super) drafts: Vec<Draft>,
}

impl Revision {
    /// Decides what leads from the folder's migrations to the struct.
    pub(super) fn of(
        folder: &Folder,
        schema: &Schema,
        dialect: Dialect,
        migrations: &Migrations,
    ) -> Result<Self, MigrateError> {
        let unreadable = unreadable_defaults(&Table::of(schema, dialect));
        if !unreadable.is_empty() {
            return Err(refused(schema, unreadable));
        }
        let (head, beside) = current(folder, schema, dialect, migrations)?;
        let follow = |state: Option<&State>| match state {
            Some(state) => steps::next(state, schema, migrations.allowed),
            None => {
                let beside = beside.clone();
                let state = State { beside, ..State::of(schema, dialect, None) };
                Ok(vec![first(&state, migrations)])
            }
        };
        if let Some(head) = &head
            && migrations.replaces
            && !difference(head.state, schema).is_ok_and(|diff| diff.is_empty())
        {
            let newest = folder.newest(head)?;
            return Ok(Self { drafts: follow(newest.before)?, replaced: newest.versions });
        }
        let drafts = follow(head.map(|head| head.state)).map_err(|error| match (error, &head) {
            (MigrateError::Refused { table, refusals, .. }, Some(head)) => {
                // If the newest migration is a mistake, replacing it makes the answers unnecessary.
                let newest = folder.newest(head).ok();
                let newest = newest.filter(|newest| follow(newest.before).is_ok());
                let newest = newest.map(|newest| newest.file.to_owned());
                MigrateError::Refused { table, refusals, newest }
            }
            (other, _) => other,
        })?;
        Ok(Self { replaced: Vec::new(), drafts })
    }
}

/// Returns the newest file of the table. If there is none, the table's first migration has to be
/// written. If another table had the name before, the hash of its newest state is returned too.
fn current<'f>(
    folder: &'f Folder,
    schema: &Schema,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<(Option<Managed<'f>>, Option<String>), MigrateError> {
    if let Some(head) = folder.head(schema, dialect)? {
        return Ok((Some(head), None));
    }
    match folder.renamed(schema) {
        Ok(Some(renamed)) if migrations.creates => Ok((None, Some(renamed.head.state.hash()))),
        Err(MigrateError::UnknownTable { .. }) if migrations.creates => Ok((None, None)),
        Ok(Some(renamed)) if migrations.replaces && renamed.is_newest => {
            Ok((Some(renamed.head), None))
        }
        Ok(Some(renamed)) => Err(renamed.refusal(schema)),
        Ok(None) => Ok((None, None)),
        Err(error) => Err(error),
    }
}

/// Returns the migration that creates the table or takes it over.
fn first(state: &State, migrations: &Migrations) -> Draft {
    let table = &state.table;
    let (verb, up, down) =
        if migrations.adopts_fastapi_anchor && table.bare_name() == fastapi_anchor::TABLE {
            ("adopt", fastapi_anchor::up(table), fastapi_anchor::down(table))
        } else if migrations.is_baseline {
            ("baseline", baseline::up(table), baseline::down())
        } else {
            ("create", write::create(table), write::drop_table(table))
        };
    let description = format!("{verb}_{}", name::word(table.bare_name()));
    Draft { description, moment: Moment::First, up: steps::file(state, &up), down }
}
