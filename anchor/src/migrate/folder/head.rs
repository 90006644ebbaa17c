//! Finds the table that a struct means: by its name, by its previous name, or by the new name that
//! a migration gave it.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Folder, Managed};
use crate::migrate::error::MigrateError;
use crate::schema::{Dialect, Schema};

/// A table that once had the name that a struct looks for, and now has another one.
#[derive(Debug)]
pub(in crate::migrate) struct Renamed<'f> {
    /// The name that the table had.
    name: &'static str,
    pub(in crate::migrate) head: Managed<'f>,
    /// The file that renamed it.
    by: Managed<'f>,
    /// Whether that file belongs to the table's newest migration, which can be replaced.
    pub(in crate::migrate) is_newest: bool,
}

impl Renamed<'_> {
    /// Returns the error that lists the choices.
    pub(in crate::migrate) fn refusal(&self, schema: &Schema) -> MigrateError {
        MigrateError::TableRenamed {
            table: schema.table.to_owned(),
            from: (self.name != schema.table).then(|| self.name.to_owned()),
            now: self.head.table().to_owned(),
            file: self.by.path(),
            is_newest: self.is_newest,
        }
    }
}

/// Returns the names under which a struct looks for its table.
fn names(schema: &Schema) -> impl Iterator<Item = &'static str> {
    [Some(schema.table), schema.renamed_from].into_iter().flatten()
}

impl Folder {
    /// Returns the last file of each table.
    fn heads(&self) -> impl Iterator<Item = Managed<'_>> {
        let followed: HashSet<_> =
            self.managed().filter_map(|managed| managed.state.parent.as_deref()).collect();
        self.managed().filter(move |managed| !followed.contains(managed.hash))
    }

    /// Returns the last file of the struct's table, which is found by its name or by its previous
    /// name.
    pub(in crate::migrate) fn head(
        &self,
        schema: &Schema,
        dialect: Dialect,
    ) -> Result<Option<Managed<'_>>, MigrateError> {
        self.check_history(dialect)?;
        for name in names(schema) {
            let heads: Vec<_> = self.heads().filter(|head| head.table() == name).collect();
            match heads[..] {
                [] => {}
                [head] => return self.check_renamed_from(schema, head).map(|()| Some(head)),
                [first, second, ..] => {
                    return Err(self.forked([first, second].map(|head| self.named_by(head))));
                }
            }
        }
        Ok(None)
    }

    /// Returns the file that gave the table its name, by renaming or by creating it.
    fn named_by<'f>(&'f self, head: Managed<'f>) -> Managed<'f> {
        let same_name = self.ancestors(head).take_while(|before| before.table() == head.table());
        same_name.last().unwrap_or(head)
    }

    /// Refuses a struct whose `renamed_from` names one table while another table already has its
    /// name. Otherwise the struct would get that other table, with sessions that are not its own.
    fn check_renamed_from(&self, schema: &Schema, head: Managed<'_>) -> Result<(), MigrateError> {
        let Some(from) = schema.renamed_from.filter(|_| head.table() == schema.table) else {
            return Ok(());
        };
        if from == schema.table
            || !self.heads().any(|head| head.table() == from)
            || self.ancestors(head).any(|before| before.table() == from)
        {
            return Ok(());
        }
        let created = self.newest(&head).ok().filter(|newest| newest.before.is_none());
        let created = created.map_or_else(Vec::new, |newest| newest.versions);
        let created = self.forward().filter(|file| created.contains(&file.name.version));
        Err(MigrateError::BothTables {
            table: schema.table.to_owned(),
            from: from.to_owned(),
            folder: self.path.clone(),
            created: created.map(|file| file.path.clone()).collect::<Vec<PathBuf>>(),
        })
    }

    /// Returns the table that last had the struct's name, or its previous name, and has another
    /// name now. It is called when no table has either name.
    ///
    /// # Errors
    ///
    /// [`MigrateError::UnknownTable`] if the struct names a table that no migration has.
    pub(in crate::migrate) fn renamed(
        &self,
        schema: &Schema,
    ) -> Result<Option<Renamed<'_>>, MigrateError> {
        for name in names(schema) {
            let renamed = self.managed().filter(|managed| {
                let before = self.ancestors(*managed).next();
                managed.table() != name && before.is_some_and(|before| before.table() == name)
            });
            let Some(by) = renamed.last() else { continue };
            let head = self.from(by).pop().unwrap_or(by);
            let before = self.newest(&head).ok().and_then(|newest| newest.before);
            let is_newest = before.is_some_and(|before| before.table.name == name);
            return Ok(Some(Renamed { name, head, by, is_newest }));
        }
        match schema.renamed_from {
            Some(from) if self.is_managed() => Err(MigrateError::UnknownTable {
                table: schema.table.to_owned(),
                from: from.to_owned(),
                folder: self.path.clone(),
            }),
            _ => Ok(None),
        }
    }
}
