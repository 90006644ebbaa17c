//! What holds for any folder of migrations: what is written is read back as complete, and a folder
//! that cannot be read is refused and left as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::*;
use crate::__properties::Choices;
use crate::column::ColumnType;
use crate::schema::ColumnSchema;

/// The releases of a struct, oldest first.
static RELEASES: [Schema; 3] = [
    Schema::new("sessions", &[USER, ColumnSchema::new("theme", ColumnType::Text, true)]),
    Schema::new(
        "sessions",
        &[
            USER,
            ColumnSchema::new("theme", ColumnType::Text, true),
            ColumnSchema::new("role", ColumnType::Enum(&["member", "admin"]), false)
                .default("'member'")
                .index(),
        ],
    ),
    Schema::new(
        "sessions",
        &[
            USER,
            ColumnSchema::new("skin", ColumnType::Text, true).renamed_from("theme"),
            ColumnSchema::new("role", ColumnType::Enum(&["member", "admin"]), false)
                .default("'member'"),
        ],
    ),
];

const USER: ColumnSchema = ColumnSchema::new("user_id", ColumnType::BigInt, false).subject();

const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];

/// A file that was written for a release: its path and its content.
type Genuine = (PathBuf, Vec<u8>);

/// The files of a folder, by their names.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Makes a folder: two bytes choose a dialect and a release. Then come files, each with a name and
/// a content. In a content, the byte 1 and the next byte stand for one of the files that were
/// written for the releases.
pub fn folder(data: &[u8]) {
    let mut choices = Choices::of(data);
    let dialect = *choices.one_of(&DIALECTS);
    let schema = choices.one_of(&RELEASES);
    let scratch = Scratch::new();
    let genuine = genuine(dialect);
    while !choices.is_empty() {
        let (name, is_genuine) = (file_name(&mut choices), choices.coin());
        let content = match is_genuine {
            true => choices.one_of(genuine).1.clone(),
            false => spliced(choices.bytes(), genuine),
        };
        // A name that the file system refuses is not a file.
        let _ = fs::write(scratch.0.join(name), content);
    }
    let before = files(&scratch.0);
    let migrations = Migrations::in_folder(&scratch.0).dialect(dialect).allow_downtime();
    let _ = check(schema, &migrations);
    match write(schema, &migrations) {
        Ok(written) => complete(&scratch.0, schema, &migrations, &before, &written),
        Err(_) => assert_eq!(files(&scratch.0), before),
    }
}

/// What was written is new, leads to the struct, and is all that was missing.
fn complete(
    folder: &Path,
    schema: &Schema,
    migrations: &Migrations,
    before: &Files,
    written: &[PathBuf],
) {
    let after = files(folder);
    for (name, content) in before {
        assert_eq!(after.get(name), Some(content), "{}", name.display());
    }
    assert_eq!(after.len(), before.len() + written.len());
    let checked = check(schema, migrations);
    assert!(matches!(checked, Ok(Checked::UpToDate)), "{checked:?}");
    let again = write(schema, migrations);
    assert!(matches!(&again, Ok(files) if files.is_empty()), "{again:?}");
}

/// A name that sqlx reads, or any text.
fn file_name(choices: &mut Choices<'_>) -> String {
    let suffix = *choices.one_of(&[".up.sql", ".down.sql", ".sql", ".SQL", ""]);
    match choices.coin() {
        true => format!("{:04}_x{suffix}", choices.byte()),
        false => choices.text().replace(['/', '\0'], "") + suffix,
    }
}

fn spliced(data: &[u8], genuine: &[Genuine]) -> Vec<u8> {
    let (mut content, mut data) = (Vec::new(), data.iter());
    while let Some(byte) = data.next() {
        match byte {
            1 => {
                let index = data.next().map_or(0, |byte| usize::from(*byte));
                content.extend_from_slice(&genuine[index % genuine.len()].1);
            }
            other => content.push(*other),
        }
    }
    content
}

/// Returns the files that lead through the releases, in the order of their names.
fn genuine(dialect: Dialect) -> &'static [Genuine] {
    static GENUINE: [OnceLock<Vec<Genuine>>; 3] = [const { OnceLock::new() }; 3];
    let index = DIALECTS.iter().position(|one| *one == dialect).expect("it is one of them");
    GENUINE[index].get_or_init(|| {
        let scratch = Scratch::new();
        let migrations = Migrations::in_folder(&scratch.0).dialect(dialect).allow_downtime();
        for schema in &RELEASES {
            write(schema, &migrations).expect("each release follows the one before");
        }
        let mut files: Vec<_> = files(&scratch.0).into_iter().collect();
        files.retain(|(name, _)| name.extension().is_some_and(|end| end == "sql"));
        files
    })
}

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let files = paths.filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::read(path).expect("the file can be read"))).collect()
}

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % 16;
        let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "");
        let name = format!("anchor-folder-{}-{thread}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::__properties::settings;

    proptest! {
        #![proptest_config(settings(150))]

        #[test]
        fn what_is_written_into_any_folder_is_complete(
            dialect: u8,
            release: u8,
            files in vec((0_u8..5, 0_u8..4, any::<u8>(), vec(0_u8..4, 0..6)), 0..6),
        ) {
            let mut data = vec![dialect, release];
            for (suffix, version, genuine, content) in files {
                data.extend([suffix, 1, version, genuine & 1]);
                match genuine & 1 {
                    1 => data.push(genuine >> 1),
                    _ => data.extend([&[content.len() as u8], content.as_slice()].concat()),
                }
            }
            folder(&data);
        }
    }

    #[test]
    fn the_files_of_all_releases_are_a_complete_folder() {
        for dialect in DIALECTS {
            let scratch = Scratch::new();
            for (path, content) in genuine(dialect) {
                fs::write(scratch.0.join(path.file_name().unwrap()), content).unwrap();
            }
            let migrations = Migrations::in_folder(&scratch.0);
            let before = files(&scratch.0);
            assert!(before.len() >= 6, "{before:?}");
            assert_eq!(write(&RELEASES[2], &migrations).unwrap(), Vec::<PathBuf>::new());
            complete(&scratch.0, &RELEASES[2], &migrations, &before, &[]);
        }
    }
}
