//! What is to be done in one folder.

use super::deployment::Moment;
use super::error::MigrateError;
use super::folder::{Draft, Folder, Head};
use super::migrations::Migrations;
use super::state::State;
use super::steps::{self, between, refused};
use super::unreadable_default::unreadable_defaults;
use super::{baseline, fastapi_anchor, name, write};
use crate::schema::{Dialect, Schema, Table};

/// What is to be done in one folder.
pub(super) struct Revision {
    /// The versions of the migrations that go.
    pub(super) replaced: Vec<i64>,
    pub(super) drafts: Vec<Draft>,
}

impl Revision {
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
        let (head, beside) = start(folder, schema, dialect, migrations)?;
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
            && !between(head.state, schema).is_ok_and(|diff| diff.is_empty())
        {
            let newest = folder.newest(head)?;
            return Ok(Self { drafts: follow(newest.before)?, replaced: newest.versions });
        }
        let drafts = follow(head.map(|head| head.state)).map_err(|error| match (error, &head) {
            (MigrateError::Refused { table, refusals, .. }, Some(head)) => {
                // What the newest migration brought about by mistake needs no answer.
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

/// The table as it is; `None` where the first migration is to be written, and then the hash of the
/// one that it stands beside.
fn start<'f>(
    folder: &'f Folder,
    schema: &Schema,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<(Option<Head<'f>>, Option<String>), MigrateError> {
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

/// The migration that creates the table, or takes it over.
fn first(state: &State, migrations: &Migrations) -> Draft {
    let table = &state.table;
    let (verb, up, down) = if migrations.adopts && table.bare_name() == fastapi_anchor::TABLE {
        ("adopt", fastapi_anchor::up(table), fastapi_anchor::down(table))
    } else if migrations.takes_over {
        ("baseline", baseline::up(table), baseline::down())
    } else {
        ("create", write::create(table), write::drop_table(table))
    };
    let description = format!("{verb}_{}", name::word(table.bare_name()));
    Draft { description, moment: Moment::First, up: steps::file(state, &up), down }
}
