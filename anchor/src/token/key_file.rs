//! A file that holds signing keys. It is read only if no other user can read it. It is made once,
//! and either completely or not at all, however many processes start at the same time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::error::ConfigError;

/// How long a process that starts waits for another process that is making the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the content of the file. If there is no file, makes one with the result of `generate`.
pub(crate) fn read_or_make(
    path: &Path,
    generate: impl FnMut() -> Result<Zeroizing<String>, ConfigError>,
) -> Result<Zeroizing<String>, ConfigError> {
    read_or_make_by(path, PATIENCE, generate, |from, to| fs::hard_link(from, to))
}

/// Does the same as [`read_or_make`], with a function that gives a file a second name.
fn read_or_make_by(
    path: &Path,
    patience: Duration,
    mut generate: impl FnMut() -> Result<Zeroizing<String>, ConfigError>,
    link: impl Fn(&Path, &Path) -> io::Result<()>,
) -> Result<Zeroizing<String>, ConfigError> {
    let begun = Instant::now();
    loop {
        match read(path)? {
            Found::Keys(text) => return Ok(text),
            Found::Nothing => match make(path, &generate()?, &link) {
                // The content of the file counts: if another process came first, it is that
                // process's key.
                Ok(()) => continue,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(refused(path, format_args!("cannot be made: {error}"))),
            },
            // Another process is about to write it.
            Found::Empty => {}
        }
        if begun.elapsed() > patience {
            return Err(refused(
                path,
                format_args!(
                    "is empty: no process finished making it; remove it with `rm {}`",
                    path.display()
                ),
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

enum Found {
    Keys(Zeroizing<String>),
    Empty,
    Nothing,
}

fn read(path: &Path) -> Result<Found, ConfigError> {
    let cannot_be_read = |error| refused(path, format_args!("cannot be read: {error}"));
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(refused(path, format_args!("is not a file: use the path of a file")));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match fs::read_link(path) {
                Ok(target) => Err(refused(
                    path,
                    format_args!(
                        "is a symbolic link to {}, which does not exist: make that file, \
                         or remove the link with `rm {}`",
                        target.display(),
                        path.display()
                    ),
                )),
                Err(_) => Ok(Found::Nothing),
            };
        }
        Err(error) => return Err(cannot_be_read(error)),
    }
    let mut file = File::open(path).map_err(cannot_be_read)?;
    check_owner_alone(path, &file.metadata().map_err(cannot_be_read)?)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(cannot_be_read)?;
    Ok(if text.is_empty() { Found::Empty } else { Found::Keys(text) })
}

#[cfg(unix)]
fn check_owner_alone(path: &Path, metadata: &fs::Metadata) -> Result<(), ConfigError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(refused(
        path,
        format_args!(
            "is open to other users of this machine (mode {mode:04o}), and whoever reads it \
             can sign tokens: close it with `chmod 600 {}`",
            path.display()
        ),
    ))
}

/// Where files have no modes, the folder's access rules apply.
#[cfg(not(unix))]
fn check_owner_alone(_: &Path, _: &fs::Metadata) -> Result<(), ConfigError> {
    Ok(())
}

/// Makes the file with this content, unless it exists. It is first written under another name, so
/// it is never visible in part.
fn make(
    path: &Path,
    content: &str,
    link: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    // Not the process id, because in containers every process may have the same one.
    name.push(format!(".{}.tmp", random_name()?));
    let unfinished = Path::new(&name);
    let written = create_new(unfinished).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()
    });
    let made = written.and_then(|()| match link(unfinished, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // The file system has no hard links.
        Err(_) => claim_and_rename(unfinished, path),
    });
    // After a rename, this file no longer exists.
    let _ = fs::remove_file(unfinished);
    made
}

/// Makes the file on a file system without hard links. The process that makes the empty file
/// replaces it with the complete one; no other process does. If that process dies in between, the
/// file stays empty, and the next start reports it.
fn claim_and_rename(unfinished: &Path, path: &Path) -> io::Result<()> {
    drop(create_new(path)?);
    fs::rename(unfinished, path).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Creates a new file that only its owner can read.
fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Base64UrlUnpadded::encode_string(&bytes))
}

fn refused(path: &Path, reason: std::fmt::Arguments<'_>) -> ConfigError {
    ConfigError::new(format_args!("the key file {} {reason}", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Stdio};
    use std::sync::Barrier;

    use super::*;

    /// A folder that is removed after the test.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("anchor-keys-{}", random_name().unwrap()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Returns a text that no other call returns.
    fn fresh() -> Result<Zeroizing<String>, ConfigError> {
        Ok(Zeroizing::new(format!("{}\n", random_name().unwrap().repeat(8))))
    }

    fn hard_link(from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn no_hard_link(_: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    type Link = fn(&Path, &Path) -> io::Result<()>;

    const LINKS: [Link; 2] = [hard_link, no_hard_link];

    fn refusal(path: &Path) -> String {
        read_or_make(path, fresh).unwrap_err().to_string()
    }

    #[test]
    fn it_is_made_once_for_its_owner_alone_and_leaves_nothing_behind() {
        for link in LINKS {
            let folder = Folder::new();
            let path = folder.0.join("key");
            let made = read_or_make_by(&path, PATIENCE, fresh, link).unwrap();
            assert_eq!(*read_or_make_by(&path, PATIENCE, fresh, link).unwrap(), *made);
            assert_eq!(fs::read_to_string(&path).unwrap(), *made);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
            assert_eq!(folder.names(), ["key"]);
        }
    }

    #[test]
    fn a_file_that_others_can_read_or_write_is_refused() {
        let folder = Folder::new();
        let path = folder.0.join("key");
        read_or_make(&path, fresh).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666, 0o777, 0o440] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let message = refusal(&path);
            let advice = format!(
                "(mode {mode:04o}), and whoever reads it can sign tokens: \
                 close it with `chmod 600 {}`",
                path.display()
            );
            assert!(message.contains(&advice), "{message}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_or_make(&path, fresh).unwrap();
        }
        // A link is as open to others as the file that it points to.
        let link = folder.0.join("link");
        symlink(&path, &link).unwrap();
        read_or_make(&link, fresh).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refusal(&link).contains("mode 0644"));
    }

    #[test]
    fn a_dangling_link_a_loop_and_a_folder_are_refused_at_once() {
        let folder = Folder::new();
        let begun = Instant::now();
        let dangling = folder.0.join("dangling");
        symlink(folder.0.join("nowhere"), &dangling).unwrap();
        assert!(refusal(&dangling).contains(
            "/nowhere, which does not exist: make that file, or remove the link with `rm "
        ));
        let round = folder.0.join("round");
        symlink(&round, &round).unwrap();
        assert!(refusal(&round).contains("cannot be read: "), "{}", refusal(&round));
        assert!(refusal(&folder.0).contains("is not a file"));
        assert!(refusal(&folder.0.join("none/key")).contains("cannot be made: "));
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(folder.names().len(), 2, "nothing was made");
    }

    #[test]
    fn a_file_that_stays_empty_is_refused_with_what_to_type() {
        let folder = Folder::new();
        let path = folder.0.join("key");
        drop(create_new(&path).unwrap());
        let patience = Duration::from_millis(50);
        let refused = read_or_make_by(&path, patience, fresh, hard_link);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(&format!("remove it with `rm {}`", path.display())), "{message}");
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn threads_which_share_a_process_id_get_one_key() {
        for link in LINKS {
            for _ in 0..30 {
                let folder = Folder::new();
                let path = folder.0.join("key");
                let barrier = Barrier::new(8);
                let found: Vec<String> = std::thread::scope(|scope| {
                    let start = || {
                        barrier.wait();
                        read_or_make_by(&path, PATIENCE, fresh, link).unwrap().to_string()
                    };
                    let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
                });
                assert!(found.iter().all(|key| *key == found[0]), "{found:?}");
                assert_eq!(fs::read_to_string(&path).unwrap(), found[0]);
                assert_eq!(folder.names(), ["key"]);
            }
        }
    }

    const ROUNDS: usize = 40;
    const PROCESSES: usize = 8;
    const FOLDER: &str = "ANCHOR_TEST_KEY_FOLDER";
    const LINK: &str = "ANCHOR_TEST_KEY_LINK";

    #[test]
    fn processes_that_start_together_get_one_key() {
        for link in 0..LINKS.len() {
            let folder = Folder::new();
            let children: Vec<_> = (0..PROCESSES)
                .map(|_| {
                    Command::new(std::env::current_exe().unwrap())
                        .args(["--exact", "token::key_file::tests::one_of_many_processes"])
                        .args(["--ignored", "--nocapture"])
                        .env(FOLDER, &folder.0)
                        .env(LINK, link.to_string())
                        .stdout(Stdio::piped())
                        .spawn()
                        .unwrap()
                })
                .collect();
            let found: Vec<Vec<String>> = children
                .into_iter()
                .map(|child| {
                    let output = child.wait_with_output().unwrap();
                    assert!(output.status.success());
                    let output = String::from_utf8(output.stdout).unwrap();
                    let keys = output.lines().filter_map(|line| line.split_once("key: "));
                    keys.map(|(_, key)| key.to_owned()).collect()
                })
                .collect();
            for round in 0..ROUNDS {
                let key = fs::read_to_string(folder.0.join(format!("key-{round}"))).unwrap();
                for keys in &found {
                    assert_eq!(keys[round], key.trim(), "round {round}");
                }
            }
            assert_eq!(folder.names().len(), ROUNDS + PROCESSES, "nothing unfinished is left");
        }
    }

    /// Not a test of its own: [`processes_that_start_together_get_one_key`] starts it.
    #[test]
    #[ignore = "a part of another test"]
    fn one_of_many_processes() {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let folder = Path::new(&folder);
        let link = LINKS[std::env::var(LINK).unwrap().parse::<usize>().unwrap()];
        // Each process says that it is here, and continues when all are.
        create_new(&folder.join(format!("here-{}", random_name().unwrap()))).unwrap();
        let is_here = |entry: &io::Result<fs::DirEntry>| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("here-")
        };
        let begun = Instant::now();
        while fs::read_dir(folder).unwrap().filter(is_here).count() < PROCESSES {
            assert!(begun.elapsed() < PATIENCE, "not every process was started");
        }
        for round in 0..ROUNDS {
            let path = folder.join(format!("key-{round}"));
            println!("\nkey: {}", read_or_make_by(&path, PATIENCE, fresh, link).unwrap().trim());
        }
    }
}
