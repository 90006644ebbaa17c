//! Checks a folder's history: each file follows one that exists and runs before it, no two follow
//! the same file, no two have the same version, every change is complete, and all have the same
//! dialect.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::{Folder, Managed};
use crate::migrate::error::MigrateError;
use crate::schema::Dialect;

/// The file that follows each state, by the state's hash.
type Followers<'f> = HashMap<&'f str, Managed<'f>>;

impl Folder {
    /// Returns the first violation as an error.
    pub(super) fn check_history(&self, dialect: Dialect) -> Result<(), MigrateError> {
        let followers = self.followers(dialect)?;
        if self.is_managed() {
            self.check_versions()?;
        }
        self.check_parents(&followers)
    }

    /// Returns the follower of every state. Checks that all files have this dialect and that no
    /// state occurs twice.
    fn followers(&self, dialect: Dialect) -> Result<Followers<'_>, MigrateError> {
        let mut followers = HashMap::new();
        let mut hashes = HashSet::new();
        let mut copies = Vec::new();
        let mut fork = None;
        for managed in self.managed() {
            if managed.state.table.dialect != dialect {
                return Err(MigrateError::MixedDialects {
                    file: managed.path(),
                    found: managed.state.table.dialect,
                    expected: dialect,
                });
            }
            if !hashes.insert(managed.hash) {
                copies.push(managed.path());
            } else if let Some(parent) = &managed.state.parent
                && let Some(other) = followers.insert(parent.as_str(), managed)
            {
                fork = fork.or(Some([other, managed]));
            }
        }
        match fork {
            _ if !copies.is_empty() => Err(MigrateError::Copied { files: copies }),
            Some(files) => Err(self.forked(files)),
            None => Ok(followers),
        }
    }

    /// Checks that no two files have the same version, because sqlx runs one file per version.
    pub(in crate::migrate) fn check_versions(&self) -> Result<(), MigrateError> {
        for (first, second) in self.forward().zip(self.forward().skip(1)) {
            if first.name.version == second.name.version {
                let files = [first.path.clone(), second.path.clone()];
                return Err(MigrateError::SameVersion { files, free: self.next_version()? });
            }
        }
        Ok(())
    }

    /// Checks that each file follows one that runs before it, and that no change lacks its last
    /// steps.
    fn check_parents(&self, followers: &Followers<'_>) -> Result<(), MigrateError> {
        let by_hash = self.by_hash();
        for managed in self.managed() {
            let next = followers.get(managed.hash).and_then(|next| next.step());
            if let Some((step, of)) = managed.step()
                && step < of
                && next != Some((step + 1, of))
            {
                return Err(self.unfinished(managed, (step, of)));
            }
            let Some(parent) = &managed.state.parent else { continue };
            let Some(before) = by_hash.get(parent.as_str()) else {
                return Err(MigrateError::Orphaned {
                    file: managed.path(),
                    parent: parent.clone(),
                });
            };
            if before.version() >= managed.version() {
                return Err(MigrateError::OutOfOrder {
                    file: managed.path(),
                    parent: before.path(),
                    free: self.next_version()?,
                });
            }
        }
        Ok(())
    }

    /// Returns the error for two histories of a table. The later one has to be written again.
    pub(super) fn forked(&self, mut files: [Managed<'_>; 2]) -> MigrateError {
        files.sort_by_key(|file| file.version());
        MigrateError::Forked {
            table: files[1].table().to_owned(),
            later: self.paths_from(files[1]),
            files: files.map(Managed::path),
        }
    }

    /// Returns the error for a change whose last steps are missing.
    fn unfinished(&self, last: Managed<'_>, step: (usize, usize)) -> MigrateError {
        let mut first = last;
        let mut ancestors = self.ancestors(last);
        while !first.is_first_step()
            && let Some(before) = ancestors.next()
        {
            first = before;
        }
        MigrateError::Unfinished { file: last.path(), step, files: self.paths_from(first) }
    }

    fn paths_from(&self, first: Managed<'_>) -> Vec<PathBuf> {
        self.from(first).into_iter().map(Managed::path).collect()
    }
}
