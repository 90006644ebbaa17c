//! What cannot be decided is refused, all of it at once, with the choices and what to type for
//! each.

use anchor::column::ColumnType;
use anchor::migrate::{self, Migrations};
use anchor::schema::{ColumnSchema, Dialect, OnChange, Schema, SchemaOptions};

use crate::scratch::{Scratch, assert_expected};

fn column(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, false)
}

fn optional(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, true)
}

fn sessions(columns: &[ColumnSchema]) -> Schema {
    Schema::new("sessions", Vec::leak(columns.to_vec()))
}

const USER: ColumnSchema = ColumnSchema::new("user_id", ColumnType::BigInt, false).subject();
const ROLES: ColumnType = ColumnType::Enum(&["admin", "member"]);

fn in_folder(scratch: &Scratch) -> Migrations {
    Migrations::in_folder(scratch.path()).dialect(Dialect::Postgres).allow_downtime()
}

/// The message of the refusal to go from one to the other; nothing is written by it.
fn refused(old: &[ColumnSchema], new: &[ColumnSchema]) -> String {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch);
    migrate::write(&sessions(old), &migrations).expect("the first");
    let before = scratch.names();
    let error = migrate::write(&sessions(new), &migrations).expect_err("a refusal");
    assert_eq!(scratch.names(), before);
    scratch.message(&error)
}

/// Whether the answer is accepted.
fn accepted(old: &[ColumnSchema], new: &[ColumnSchema], drops: bool) -> String {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch);
    migrate::write(&sessions(old), &migrations).expect("the first");
    let migrations = if drops { migrations.allow_drops() } else { migrations };
    let written = migrate::write(&sessions(new), &migrations).expect("no refusal");
    std::fs::read_to_string(&written[0]).expect("a file")
}

#[test]
fn a_new_column_without_a_value() {
    let theme = column("theme", ColumnType::Text);
    assert_expected("no_value", &refused(&[USER], &[USER, theme]));

    let sql = accepted(&[USER], &[USER, optional("theme", ColumnType::Text)], false);
    assert!(sql.contains("ADD COLUMN theme TEXT;"), "{sql}");
    let sql = accepted(&[USER], &[USER, theme.default("'dark'")], false);
    assert!(sql.contains("ADD COLUMN theme TEXT NOT NULL DEFAULT 'dark';"), "{sql}");
    let sql = accepted(&[USER], &[USER, theme.on_change(OnChange::EndSessions)], false);
    assert!(sql.contains("-- DESTRUCTIVE") && sql.contains("DELETE FROM sessions;"), "{sql}");
}

#[test]
fn a_new_unique_column_with_one_value_for_all() {
    let code = column("code", ColumnType::Text).default("'x'").unique();
    assert_expected("shared_value", &refused(&[USER], &[USER, code]));
}

#[test]
fn one_default_for_several_values_of_a_unique_column() {
    let wide = column("code", ColumnType::BigInt).unique();
    for narrow in
        [column("code", ColumnType::Integer), column("code", ColumnType::Integer).unique()]
    {
        let narrow = narrow.default("0");
        assert_expected("shared_default", &refused(&[USER, wide], &[USER, narrow]));
        accepted(&[USER, wide], &[USER, narrow.on_change(OnChange::EndSessions)], false);
    }
}

#[test]
fn a_removed_column() {
    let theme = column("theme", ColumnType::Text);
    for drops in [false, true] {
        let sql = accepted(&[USER, theme], &[USER], drops);
        assert!(!sql.contains("DESTRUCTIVE") && !sql.contains("DROP COLUMN"), "{sql}");
        assert!(sql.contains("ALTER COLUMN theme DROP NOT NULL;"), "{sql}");
        assert!(sql.contains("-- anchor: column theme text as \"TEXT\" leaving\n"), "{sql}");
    }
    let old = [USER, optional("theme", ColumnType::Text), column("size", ColumnType::BigInt)];
    let new = [USER, column("theme", ColumnType::BigInt).renamed_from("size")];
    assert_expected("name_taken", &refused(&old, &new));
}

#[test]
fn what_two_releases_cannot_both_live_with() {
    let scratch = Scratch::new();
    let migrations = Migrations::in_folder(scratch.path()).dialect(Dialect::Postgres);
    let theme = optional("theme", ColumnType::Text);
    let old = [USER, theme, column("role", ROLES), column("code", ColumnType::BigInt)];
    let old = sessions(&old).options(SchemaOptions::NONE.cut_off());
    migrate::write(&old, &migrations).expect("the first");
    let new = [
        USER,
        optional("colour", ColumnType::Text).renamed_from("theme"),
        column("role", ColumnType::Enum(&["boss", "member"]))
            .renamed_variants(&[("admin", "boss")]),
        column("code", ColumnType::Text),
        column("locale", ColumnType::Text).on_change(OnChange::EndSessions),
    ];
    let new = Schema::new("logins", Vec::leak(new.to_vec())).renamed_from("sessions");
    let error = migrate::write(&new, &migrations).expect_err("a refusal");
    assert_expected("downtime", &scratch.message(&error));
    migrate::write(&new, &migrations.allow_drops().allow_downtime()).expect("written");
}

#[test]
fn a_removed_column_and_new_ones_of_its_type() {
    let (theme, colour, locale) = (
        optional("theme", ColumnType::Text),
        optional("colour", ColumnType::Text),
        column("locale", ColumnType::Text),
    );
    assert_expected("renamed_or_dropped", &refused(&[USER, theme], &[USER, colour, locale]));

    let sql = accepted(&[USER, theme], &[USER, colour.renamed_from("theme")], false);
    assert!(sql.contains("RENAME COLUMN theme TO colour"), "{sql}");
    // The answer stays in the struct, and does nothing more.
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch);
    let schema = sessions(&[USER, colour.renamed_from("theme")]);
    migrate::write(&schema, &migrations).expect("the first");
    assert!(migrate::write(&schema, &migrations).expect("nothing").is_empty());
}

#[test]
fn two_columns_that_were_one() {
    let theme = optional("theme", ColumnType::Text);
    let both =
        ["colour", "shade"].map(|name| optional(name, ColumnType::Text).renamed_from("theme"));
    assert_expected("renamed_twice", &refused(&[USER, theme], &[USER, both[0], both[1]]));
}

#[test]
fn values_that_do_not_fit() {
    let some = "DELETE FROM sessions WHERE";
    let all = "DELETE FROM sessions;";
    let unsigned = column("visits", ColumnType::Integer).range(Some((0, 65_535)));
    let narrowed = [
        (
            column("visits", ColumnType::BigInt),
            column("visits", ColumnType::Integer),
            "narrowed",
            some,
        ),
        (column("visits", ColumnType::Integer), unsigned, "unsigned", some),
        (
            column("visits", ColumnType::Text),
            column("visits", ColumnType::Integer),
            "type_changed",
            some,
        ),
        (column("cart", ColumnType::Json), column("cart", ColumnType::Uuid), "reset", all),
        (
            optional("theme", ColumnType::Text),
            column("theme", ColumnType::Text),
            "null_removed",
            some,
        ),
        (
            column("role", ROLES),
            column("role", ColumnType::Enum(&["admin"])),
            "variant_removed",
            some,
        ),
        (
            column("role", ROLES).role(),
            column("role", ColumnType::Enum(&["admin", "guest"])).role().default("'guest'"),
            "role_removed",
            some,
        ),
        (
            column("name", ColumnType::Text),
            column("name", ColumnType::Text).sql_type("ltree"),
            "sql_type_changed",
            all,
        ),
    ];
    for (old, new, name, ended) in narrowed {
        assert_expected(name, &refused(&[USER, old], &[USER, new]));
        let sql = accepted(&[USER, old], &[USER, new.on_change(OnChange::EndSessions)], false);
        assert!(sql.contains(ended), "{sql}");
    }
    let sql = accepted(
        &[USER, column("visits", ColumnType::BigInt)],
        &[USER, column("visits", ColumnType::Integer).default("0")],
        false,
    );
    assert!(
        sql.contains(
            "USING CASE WHEN visits NOT BETWEEN -2147483648 AND 2147483647 THEN (0)::INTEGER"
        ),
        "{sql}"
    );
    let sql = accepted(
        &[USER, optional("theme", ColumnType::Text)],
        &[USER, column("theme", ColumnType::Text).default("'dark'")],
        false,
    );
    assert!(sql.contains("UPDATE sessions SET theme = ('dark') WHERE theme IS NULL"), "{sql}");
}

#[test]
fn everything_at_once() {
    let old = [USER, optional("legacy", ColumnType::Json), column("visits", ColumnType::BigInt)];
    let new = [
        USER,
        column("visits", ColumnType::SmallInt),
        column("theme", ColumnType::Text),
        optional("notes", ColumnType::Json),
    ];
    assert_expected("everything", &refused(&old, &new));
}

#[test]
fn widening_needs_no_answer() {
    let widened = [
        (column("a", ColumnType::Integer), column("a", ColumnType::BigInt)),
        (column("a", ColumnType::Text), optional("a", ColumnType::Text)),
        (column("a", ROLES), column("a", ColumnType::Enum(&["guest", "member", "admin"]))),
        (column("a", ROLES), column("a", ColumnType::Text)),
    ];
    for (old, new) in widened {
        let sql = accepted(&[USER, old], &[USER, new], false);
        assert!(!sql.contains("DESTRUCTIVE") && sql.contains("ALTER TABLE sessions"), "{sql}");
    }
}

#[test]
fn the_difference_that_a_plain_test_shows() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch);
    let old = [
        USER,
        column("role", ROLES).default("'member'"),
        optional("legacy", ColumnType::Json),
        optional("theme", ColumnType::Text),
        column("visits", ColumnType::Integer),
    ];
    migrate::write(&sessions(&old), &migrations).expect("the first");
    migrate::check(&sessions(&old), &migrations).expect("no difference");
    let new = [
        USER,
        column("role", ColumnType::Enum(&["admin", "member", "guest"])),
        optional("colour", ColumnType::Text).renamed_from("theme").unique(),
        column("visits", ColumnType::BigInt),
        column("locale", ColumnType::Text).default("'en'"),
    ];
    let error = migrate::check(&sessions(&new), &migrations).expect_err("a difference");
    assert_expected("drift", &scratch.message(&error));

    static OTHER: Schema = Schema::new("admin_sessions", &[USER]);
    let error = migrate::check(&OTHER, &migrations).expect_err("no table");
    assert_expected("no_table", &scratch.message(&error));
}
