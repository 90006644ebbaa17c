//! The documentation: its links lead somewhere, its book is complete, and its code is real.

mod book;
mod examples;
mod links;
mod markdown;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The chapters of the book, with the guides, and without the list of them.
fn chapters() -> Vec<PathBuf> {
    let docs = root().join("docs");
    let mut found: Vec<_> = [docs.clone(), docs.join("coming-from")]
        .iter()
        .flat_map(|folder| pages_in(folder))
        .collect();
    found.retain(|path| !path.ends_with("SUMMARY.md"));
    found
}

fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let mut pages: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}
