//! The lock that lets only one process at a time write into a folder of migrations.
//!
//! It is the operating system's lock on a file in the folder for temporary files. The system
//! releases it when the process ends, so the lock is never stale, and no lock file is left among
//! the migrations.

use std::fs::{self, File};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::MigrateError;

/// Waits for the folder's lock and returns it. Dropping the value releases the lock.
pub(super) fn hold(folder: &Path) -> Result<File, MigrateError> {
    fs::create_dir_all(folder).map_err(MigrateError::io(folder))?;
    let place = folder.canonicalize().map_err(MigrateError::io(folder))?;
    let digest = Sha256::digest(place.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = std::env::temp_dir().join(format!("anchor-migrations-{name}.lock"));
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        // The file may belong to another user.
        .or_else(|_| File::open(&path))
        .map_err(MigrateError::io(&path))?;
    file.lock().map_err(MigrateError::io(&path))?;
    Ok(file)
}
