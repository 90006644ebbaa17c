//! MySQL commits each `ALTER TABLE`: wherever a file fails, what it says leads to the same table
//! with the same values.

use anchor::column::ColumnType;
use anchor::migrate;
use anchor::schema::{ColumnSchema, Dialect, OnChange, OnDelete, Reference, Schema, SchemaOptions};

use crate::scene::{Scene, on, sessions};

const DONE: &str = "-- The change is done here.";
const STAFF: ColumnType = ColumnType::Enum(&["member", "boss"]);
const CHIEFS: ColumnType = ColumnType::Enum(&["member", "chief"]);

fn optional(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, true)
}

fn required(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, false)
}

/// A change, with rows before it.
struct Change {
    old: Schema,
    rows: &'static [&'static [&'static str]],
    new: Schema,
}

#[tokio::test]
async fn a_column_more_and_one_less() {
    let kept = optional("n", ColumnType::BigInt);
    everywhere(|| Change {
        old: sessions(&[kept, optional("gone", ColumnType::BigInt)]),
        rows: &[&["1", "2"], &["3", "NULL"]],
        new: sessions(&[kept, required("theme", ColumnType::Text).default("'it''s'").index()]),
    })
    .await;
}

#[tokio::test]
async fn a_constraint_is_in_the_way() {
    let orgs = Reference::new("orgs", "id", OnDelete::Cascade);
    everywhere(|| Change {
        old: sessions(&[
            optional("org", ColumnType::BigInt).references(orgs),
            required("role", STAFF),
        ]),
        rows: &[&["1", "boss"], &["2", "member"], &["NULL", "boss"]],
        new: sessions(&[
            required("team", ColumnType::BigInt)
                .references(orgs)
                .renamed_from("org")
                .on_change(OnChange::EndSessions),
            required("role", CHIEFS).renamed_variants(&[("boss", "chief")]),
        ]),
    })
    .await;
}

#[tokio::test]
async fn a_constrained_column_leaves() {
    let orgs = Reference::new("orgs", "id", OnDelete::Cascade);
    everywhere(|| Change {
        old: sessions(&[
            required("org", ColumnType::BigInt).references(orgs),
            required("role", STAFF),
            required("code", ColumnType::BigInt).unique(),
        ]),
        rows: &[&["1", "boss", "1"], &["2", "member", "2"]],
        new: sessions(&[]),
    })
    .await;
}

#[tokio::test]
async fn a_renamed_variant_is_not_one_that_ends() {
    everywhere(|| Change {
        old: sessions(&[required("role", STAFF), optional("n", ColumnType::BigInt)]),
        rows: &[&["boss", "1"], &["member", "2"]],
        new: sessions(&[
            required("role", ColumnType::Enum(&["chief"]))
                .renamed_variants(&[("boss", "chief")])
                .on_change(OnChange::EndSessions),
            required("n", ColumnType::BigInt).default("0"),
        ]),
    })
    .await;
}

#[tokio::test]
async fn variants_take_each_others_names() {
    let turned = [("member", "boss"), ("boss", "member")];
    everywhere(|| Change {
        old: sessions(&[required("role", STAFF), optional("n", ColumnType::BigInt)]),
        rows: &[&["boss", "1"], &["member", "2"]],
        new: sessions(&[
            required("role", STAFF).renamed_variants(turned.to_vec().leak()),
            optional("m", ColumnType::BigInt).renamed_from("n").index(),
        ]),
    })
    .await;
}

#[tokio::test]
async fn variants_alone_take_each_others_names() {
    let turned = [("member", "boss"), ("boss", "member")];
    everywhere(|| Change {
        old: sessions(&[required("role", STAFF)]),
        rows: &[&["boss"], &["member"]],
        new: sessions(&[required("role", STAFF).renamed_variants(turned.to_vec().leak())]),
    })
    .await;
}

#[tokio::test]
async fn columns_take_each_others_names() {
    let (a, b) = (optional("a", ColumnType::BigInt), optional("b", ColumnType::BigInt));
    everywhere(|| Change {
        old: sessions(&[a, b]),
        rows: &[&["1", "2"]],
        new: sessions(&[a.renamed_from("b"), b.renamed_from("a")]),
    })
    .await;
}

#[tokio::test]
async fn values_that_do_not_fit_end_or_get_the_default() {
    everywhere(|| Change {
        old: sessions(&[
            required("a", ColumnType::BigInt),
            required("b", ColumnType::BigInt),
            required("role", STAFF),
        ]),
        rows: &[&["1", "5000000000", "boss"], &["5000000000", "2", "boss"], &["3", "4", "member"]],
        new: sessions(&[
            required("a", ColumnType::Integer).on_change(OnChange::EndSessions),
            required("b", ColumnType::Integer).default("7"),
            required("role", ColumnType::Text),
        ]),
    })
    .await;
}

#[tokio::test]
async fn a_default_that_the_old_type_does_not_hold() {
    everywhere(|| Change {
        old: sessions(&[
            optional("a", ColumnType::BigInt).index(),
            optional("b", ColumnType::Real),
            optional("c", ColumnType::Integer),
            optional("d", ColumnType::Text).sql_type("VARCHAR(5)"),
        ]),
        rows: &[&["NULL", "NULL", "NULL", "NULL"], &["7", "0.5", "3", "short"]],
        new: sessions(&[
            required("a", ColumnType::Double).default("0.5").index(),
            required("b", ColumnType::Double).default("0.1"),
            required("e", ColumnType::BigInt).default("5000000000").renamed_from("c"),
            required("d", ColumnType::Text).sql_type("VARCHAR(50)").default("'longer than five'"),
        ]),
    })
    .await;
}

#[tokio::test]
async fn a_foreign_key_and_every_session_go() {
    let orgs = Reference::new("orgs", "id", OnDelete::SetNull);
    everywhere(|| Change {
        old: sessions(&[optional("org", ColumnType::BigInt).references(orgs)]),
        rows: &[&["1"], &["NULL"]],
        new: sessions(&[optional("org", ColumnType::BigInt).index()]),
    })
    .await;
    everywhere(|| Change {
        old: sessions(&[optional("org", ColumnType::BigInt)]),
        rows: &[&["1"], &["NULL"]],
        new: sessions(&[
            optional("org", ColumnType::BigInt),
            required("user", ColumnType::BigInt).on_change(OnChange::EndSessions),
        ]),
    })
    .await;
}

#[tokio::test]
async fn the_table_gets_another_name() {
    let of = |name, columns: &[ColumnSchema]| {
        Schema::new(name, columns.to_vec().leak()).options(SchemaOptions::NONE.cut_off())
    };
    let user = required("user", ColumnType::BigInt).subject();
    everywhere(|| Change {
        old: of("sessions", &[user, required("role", STAFF)]),
        rows: &[&["1", "boss"], &["2", "member"]],
        new: of("logins", &[user, required("role", CHIEFS).renamed_variants(&[("boss", "chief")])])
            .renamed_from("sessions"),
    })
    .await;
}

#[tokio::test]
async fn another_column_becomes_the_subject() {
    let of = |columns: &[ColumnSchema]| {
        Schema::new("sessions", columns.to_vec().leak()).options(SchemaOptions::NONE.cut_off())
    };
    let (user, account) =
        (required("user", ColumnType::BigInt), required("account", ColumnType::Text));
    everywhere(|| Change {
        old: of(&[user.subject(), account]),
        rows: &[&["1", "a"], &["2", "b"]],
        new: of(&[user, account.subject()]),
    })
    .await;
}

/// Everything that there is to see of the change's tables.
async fn picture(scene: &Scene, change: &Change) -> Vec<String> {
    let mut seen = Vec::new();
    for schema in [&change.old, &change.new] {
        for table in [schema.table.to_owned()].into_iter().chain(schema.cut_offs_table()) {
            let catalogue = scene.live.catalogue(&table).await.expect("a catalogue");
            seen.extend(catalogue.into_iter().map(|line| format!("{table}: {line}")));
        }
        for column in schema.columns {
            let values = scene.live.texts(schema.table, column.name).await;
            seen.push(format!("{}.{} {values:?}", schema.table, column.name).replace('\n', " "));
        }
    }
    // The columns that the other of the two has.
    seen.retain(|line| !line.contains("Err("));
    seen
}

/// The versions of the migrations in the folder.
fn versions(scene: &Scene) -> Vec<i64> {
    let names = scene.scratch.names();
    let mut versions: Vec<i64> = names
        .iter()
        .map(|name| name.split('_').next()?.parse().ok())
        .collect::<Option<_>>()
        .expect("versions");
    versions.dedup();
    versions
}

/// Makes the table and writes the change; only the first of its files are left, of which the last
/// is not applied. How many there are.
async fn before(scene: &Scene, change: &Change, left: usize) -> usize {
    scene.live.execute("CREATE TABLE orgs (id BIGINT NOT NULL PRIMARY KEY)").await.expect("orgs");
    scene.live.execute("INSERT INTO orgs VALUES (1), (2)").await.expect("rows");
    scene.migrate(&change.old).await;
    scene.insert(&change.old, change.rows).await;
    let migrations = scene.migrations().allow_drops();
    migrate::write(&change.new, &migrations).unwrap_or_else(|error| panic!("{error}"));
    let versions = versions(scene);
    for name in scene.scratch.names() {
        if versions[left + 1..].iter().any(|version| name.starts_with(&version.to_string())) {
            std::fs::remove_file(scene.scratch.path().join(name)).expect("a file");
        }
    }
    let ran = scene.live.run_to(scene.scratch.path(), versions[left - 1]).await;
    ran.unwrap_or_else(|error| panic!("{error}"));
    versions.len() - 1
}

fn newest(scene: &Scene, suffix: &str) -> (std::path::PathBuf, String) {
    let names = scene.scratch.names();
    let name = names.iter().rfind(|name| name.ends_with(suffix)).expect("a file");
    let path = scene.scratch.path().join(name);
    let text = std::fs::read_to_string(&path).expect("a text");
    (path, text)
}

/// The first of the statements that a comment names from these words on.
fn named(file: &str, words: &str) -> String {
    let text = file.replace("\n-- ", " ");
    let (_, after) = text.split_once(words).unwrap_or_else(|| panic!("{words} in {file}"));
    after.split_once(';').expect("a statement").0.to_owned()
}

/// Fails each file of the change, and its way back, after each of their statements.
async fn everywhere(change: impl Fn() -> Change) {
    for is_way_back in [false, true] {
        let (mut file, mut files) = (1, 1);
        while file <= files {
            files = everywhere_in(&change, file, is_way_back).await;
            file += 1;
        }
    }
}

/// The same of one file. How many the change has.
async fn everywhere_in(change: impl Fn() -> Change, file: usize, is_way_back: bool) -> usize {
    let suffix = if is_way_back { ".down.sql" } else { ".up.sql" };
    let mut expected = Vec::new();
    let mut files = 1;
    let mut at = 0;
    let mut statements = 1;
    // Before the first it goes through without failing.
    while at <= statements {
        on(Dialect::MySql, async |scene: Scene| {
            let change = change();
            files = before(&scene, &change, file).await;
            let folder = scene.scratch.path();
            if is_way_back {
                scene.live.run(folder).await.expect("the way there");
            }
            let run = async || match is_way_back {
                false => scene.live.run_alone(folder).await,
                true => scene.live.undo_alone(folder, versions(&scene)[file - 1]).await,
            };
            let (path, honest) = newest(&scene, suffix);
            let parts: Vec<_> = honest.trim_end().trim_end_matches(';').split(";\n").collect();
            statements = parts.len();
            if at == 0 {
                run().await.unwrap_or_else(|error| panic!("{error}\n{honest}"));
                expected = picture(&scene, &change).await;
                return;
            }
            let done = parts.iter().position(|part| part.contains(DONE)).expect("it says so");
            let broken = format!("{};\nSELECT nothing FROM nowhere;\n", parts[..at].join(";\n"));
            std::fs::write(&path, broken).expect("a file");
            run().await.expect_err("it fails");
            std::fs::write(&path, &honest).expect("a file");
            let explain = |what: &str| format!("{what} after {at} in\n{honest}");
            if at < done {
                let again = named(&honest, "close the connection that ran it, ");
                scene.live.execute(&again).await.expect("the bookkeeping");
                run().await.unwrap_or_else(|error| panic!("{}", explain(&error.to_string())));
            } else {
                let left = parts[at..].join(";\n");
                if !left.is_empty() {
                    let ran = scene.live.again().execute(&left).await;
                    ran.unwrap_or_else(|error| panic!("{}", explain(&error.to_string())));
                }
                let done = named(&honest, "run the remaining ones by hand, and ");
                scene.live.execute(&done).await.expect("the bookkeeping");
            }
            assert_eq!(picture(&scene, &change).await, expected, "{}", explain("it differs"));
            let applied = "SELECT CAST(version AS CHAR) FROM _sqlx_migrations WHERE success";
            let applied = scene.live.rows(applied).await.expect("versions");
            let applied = applied.len() + usize::from(is_way_back);
            assert_eq!(applied, file + 1, "{}", explain("dirty"));
        })
        .await;
        at += 1;
    }
    files
}
