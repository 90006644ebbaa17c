//! The table that a struct means: by its name, by the one that it had before, or under another name
//! that a migration gave it.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Folder, Managed};
use crate::migrate::error::MigrateError;
use crate::schema::{Dialect, Schema};

/// A table that had the name that a struct looks for, and has another now.
#[derive(Debug)]
pub(in crate::migrate) struct Renamed<'f> {
    /// The name that it had.
    name: &'static str,
    pub(in crate::migrate) head: Managed<'f>,
    /// The file that gave it another.
    by: Managed<'f>,
    /// Whether that file is of the table's newest migration, which may be replaced.
    pub(in crate::migrate) is_newest: bool,
}

impl Renamed<'_> {
    /// What there is to choose.
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

/// The names under which a struct looks for its table.
fn names(schema: &Schema) -> impl Iterator<Item = &'static str> {
    [Some(schema.table), schema.renamed_from].into_iter().flatten()
}

impl Folder {
    /// The last file of each table.
    fn heads(&self) -> impl Iterator<Item = Managed<'_>> {
        let followed: HashSet<_> =
            self.managed().filter_map(|managed| managed.state.parent.as_deref()).collect();
        self.managed().filter(move |managed| !followed.contains(managed.hash))
    }

    /// The table as the last of its migrations leaves it: under its name, or under the one that it
    /// had before.
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

    /// The file that gave the table its name: that renamed it, or created it.
    fn named_by<'f>(&'f self, head: Managed<'f>) -> Managed<'f> {
        let same_name = self.ancestors(head).take_while(|before| before.table() == head.table());
        same_name.last().unwrap_or(head)
    }

    /// A struct whose `renamed_from` names one table while another has its name would be taken for
    /// the other, with the sessions of somebody else.
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

    /// Where no table has the struct's name, nor the one before it: the table that had it last and
    /// has another now.
    ///
    /// # Errors
    ///
    /// [`MigrateError::UnknownTable`] when the struct names a table that no migration knows.
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
