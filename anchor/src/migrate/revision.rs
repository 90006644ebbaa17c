//! What is to be done in one folder.

use super::deployment::Moment;
use super::error::MigrateError;
use super::folder::{Draft, Folder, Head};
use super::migrations::Migrations;
use super::state::State;
use super::steps::{self, between, refused};
use super::{baseline, fastapi_anchor, name, unreadable_default, write};
use crate::schema::{Dialect, Schema, Table};

/// What is to be done in one folder.
#[derive(Default)]
pub(super) struct Revision {
    /// The versions of the migrations that go.
    pub(super) replaced: Vec<i64>,
    pub(super) drafts: Vec<Draft>,
}

pub(super) fn revision(
    folder: &Folder,
    schema: &Schema,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<Revision, MigrateError> {
    let unreadable = unreadable_default::unreadable_defaults(&Table::of(schema, dialect));
    if !unreadable.is_empty() {
        return Err(refused(schema, unreadable));
    }
    let mut beside = None;
    let head = match folder.head(schema, dialect)? {
        Some(head) => Some(head),
        None => match folder.renamed(schema) {
            Ok(Some(renamed)) if migrations.creates => {
                beside = Some(renamed.head.state.hash());
                None
            }
            Err(MigrateError::UnknownTable { .. }) if migrations.creates => None,
            Ok(Some(renamed)) if migrations.replaces && renamed.is_newest => Some(renamed.head),
            Ok(Some(renamed)) => return Err(renamed.refusal(schema)),
            Ok(None) => None,
            Err(error) => return Err(error),
        },
    };
    let follow = |state: Option<&State>| match state {
        Some(state) => steps::next(state, schema, migrations.allowed),
        None => Ok(vec![first(schema, dialect, beside.clone(), migrations)]),
    };
    let Some(head) = head else {
        return Ok(Revision { replaced: Vec::new(), drafts: follow(None)? });
    };
    if migrations.replaces && is_changed(&head, schema) {
        let newest = folder.newest(&head)?;
        let drafts = follow(newest.before)?;
        return Ok(Revision { replaced: newest.versions, drafts });
    }
    let drafts = follow(Some(head.state)).map_err(|error| match error {
        MigrateError::Refused { table, refusals, .. } => {
            // What the newest migration brought about by mistake needs no answer.
            let newest = folder.newest(&head).ok();
            let newest = newest.filter(|newest| follow(newest.before).is_ok());
            let newest = newest.map(|newest| newest.file.to_owned());
            MigrateError::Refused { table, refusals, newest }
        }
        other => other,
    })?;
    Ok(Revision { replaced: Vec::new(), drafts })
}

fn is_changed(head: &Head<'_>, schema: &Schema) -> bool {
    !matches!(between(head.state, schema), Ok(diff) if diff.is_empty())
}

/// The migration that creates the table, or takes it over.
fn first(
    schema: &Schema,
    dialect: Dialect,
    beside: Option<String>,
    migrations: &Migrations,
) -> Draft {
    let state = State { beside, ..State::of(schema, dialect, None) };
    let table = &state.table;
    let (verb, up, down) = if migrations.adopts && table.bare_name() == fastapi_anchor::TABLE {
        ("adopt", fastapi_anchor::up(table), fastapi_anchor::down(table))
    } else if migrations.takes_over {
        ("baseline", baseline::up(table), baseline::down())
    } else {
        ("create", write::create(table), write::drop_table(table))
    };
    let description = format!("{verb}_{}", name::word(table.bare_name()));
    Draft { description, moment: Moment::First, up: steps::file(&state, &up), down }
}
