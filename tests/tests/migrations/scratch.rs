//! A folder that goes with the test, and texts that are compared with a file.

use std::fs;
use std::path::{Path, PathBuf};

use anchor::migrate::MigrateError;

pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The names of the migrations in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// The file of this description, whatever its version.
    pub(crate) fn file(&self, description: &str) -> PathBuf {
        let names = self.names();
        let name = names.iter().find(|name| name.ends_with(description)).expect("it is there");
        self.path().join(name)
    }

    pub(crate) fn read(&self, description: &str) -> String {
        fs::read_to_string(self.file(description)).expect("a text")
    }

    /// The error's message, the folder's name and the versions left out.
    pub(crate) fn message(&self, error: &MigrateError) -> String {
        let message = error.to_string().replace(&self.path().display().to_string(), "<folder>");
        let mut text = String::new();
        let mut rest = message.as_str();
        while let Some(at) = rest.find("/20") {
            let (before, after) = rest.split_at(at + 1);
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            text.push_str(before);
            text.push_str("<version>");
            rest = &after[digits..];
        }
        text + rest
    }
}

/// Compares with `expected/<name>.txt`; `ANCHOR_BLESS=1` writes it.
pub(crate) fn assert_expected(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/migrations/expected")
        .join(format!("{name}.txt"));
    let text = format!("{}\n", text.trim_end());
    if std::env::var_os("ANCHOR_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(text, expected, "\n{name} is now:\n{text}\n(ANCHOR_BLESS=1 writes it)");
}
