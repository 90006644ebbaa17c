//! [`FakeClock`]: a clock that another process sees instead of the machine's.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::servers::{ScratchFolder, announce, servers_are_required};

const VARIABLE: &str = "ANCHOR_TEST_FAKETIME";
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// A clock that differs from the machine's, and can be set while the process runs. Spans that a
/// process measures (`CLOCK_MONOTONIC`) are real.
///
/// It is that of `libfaketime`, which the variable `ANCHOR_TEST_FAKETIME` names, or else the system
/// has.
pub struct FakeClock {
    library: PathBuf,
    folder: ScratchFolder,
}

impl FakeClock {
    /// A clock that is so far from the machine's, such as `+10m` or `-10m`; `None`, said on
    /// standard error, when there is no `libfaketime`.
    ///
    /// # Panics
    ///
    /// When a folder cannot be made; under `ANCHOR_TEST_REQUIRE_SERVERS=1`, when there is no
    /// library.
    pub fn at(offset: &str) -> Option<Self> {
        let Some(library) = library() else {
            let reason = "no libfaketime: install it (`apt-get install libfaketime`)";
            assert!(!servers_are_required(), "{reason}, or set {VARIABLE}");
            announce(&format!(
                "the tests of wrong clocks pass without testing anything: {reason}, or set \
                 {VARIABLE}"
            ));
            return None;
        };
        let clock = Self { library, folder: ScratchFolder::new("clock").expect("a folder") };
        clock.set(offset);
        Some(clock)
    }

    /// Sets the clock.
    ///
    /// # Panics
    ///
    /// When the file that the process reads cannot be written.
    pub fn set(&self, offset: &str) {
        // The process must not find half of it.
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{offset}\n")).expect("a file");
        fs::rename(new, self.file()).expect("a file");
    }

    /// Shows this clock to a process that is about to be started.
    pub fn show_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            // Its name before 0.9.8.
            .env("DONT_FAKE_MONOTONIC", "1");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

/// Debian has a folder for each architecture.
fn library() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path());
    let folders = folders.chain(["/usr/lib", "/usr/local/lib"].map(PathBuf::from));
    named.or_else(|| folders.map(|folder| folder.join(LIBRARY)).find(|file| file.is_file()))
}
