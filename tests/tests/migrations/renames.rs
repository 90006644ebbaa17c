//! A rename is done once and as the struct says it: what a column holds afterwards is compared,
//! forward and back, on every database.

use anchor::column::ColumnType;
use anchor::migrate::MigrateError;
use anchor::schema::{ColumnSchema, OnDelete, Reference, Schema};

use crate::scene::{Scene, on_every_database, sessions};
use crate::scratch::assert_expected;

fn text(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::Text, true)
}

fn was(name: &'static str, before: &'static str) -> ColumnSchema {
    text(name).renamed_from(before)
}

on_every_database! {
    a_column_takes_the_name_of_one_that_goes
    two_columns_change_places
    three_columns_go_in_a_circle
    a_new_column_has_the_name_that_another_had
    an_old_answer_is_done
    a_name_comes_back_for_another_column
    columns_of_unlike_types_change_places
    indexed_and_unique_columns_change_places
    columns_change_places_a_second_time
    variants_change_places_a_second_time
    a_table_gets_its_old_name_back
    a_default_is_not_renamed_with_the_variants
    nothing_of_a_companion_keeps_its_old_name
    a_table_that_gets_the_name_of_another_is_refused
    a_table_that_references_itself_is_renamed
}

/// Nobody is to be somebody else: the sessions of `sessions` are not the administrators'.
async fn a_table_that_gets_the_name_of_another_is_refused(scene: Scene) {
    let user = [ColumnSchema::new("user_id", ColumnType::Text, false).subject()];
    let users = sessions(&user);
    let admins = Schema::new("admin_sessions", users.columns);
    scene.migrate(&users).await;
    scene.migrate(&admins).await;
    scene.insert(&users, &[&["user"]]).await;
    scene.insert(&admins, &[&["admin"]]).await;
    // The struct of the users is gone, or the two change places.
    let moved = Schema::new("sessions", users.columns).renamed_from("admin_sessions");
    let other = Schema::new("admin_sessions", users.columns).renamed_from("sessions");
    for (schema, migrations) in [
        (&moved, scene.migrations()),
        (&other, scene.migrations()),
        (&moved, scene.migrations().allow_drops().replace_newest()),
    ] {
        let before = scene.scratch.names();
        let refused = anchor::migrate::check(schema, &migrations).expect_err("not in the check");
        assert!(matches!(refused, MigrateError::BothTables { .. }), "{refused}");
        let refused = anchor::migrate::write(schema, &migrations).expect_err("nor written");
        assert!(matches!(refused, MigrateError::BothTables { .. }), "{refused}");
        assert_eq!(scene.scratch.names(), before);
    }
    let refused = anchor::migrate::write(&moved, &scene.migrations()).expect_err("a refusal");
    assert_expected("both_tables", &scene.scratch.message(&refused));

    // As it says: the users make room, and the two change places.
    scene.migrate(&Schema::new("user_sessions", users.columns).renamed_from("sessions")).await;
    scene.migrate(&moved).await;
    let other = Schema::new("admin_sessions", users.columns).renamed_from("user_sessions");
    scene.migrate(&other).await;
    assert_eq!(scene.values("user_id").await, ["admin"]);
    let users = scene.live.texts("admin_sessions", "user_id").await.expect("the users");
    assert_eq!(users, ["user"]);
    // Both structs keep what they say.
    for schema in [&moved, &other] {
        anchor::migrate::check(schema, &scene.migrations()).expect("an answer that is done");
    }
}

async fn a_table_that_references_itself_is_renamed(scene: Scene) {
    let parent = |table| {
        let target = Reference::new(table, "id", OnDelete::Cascade);
        ColumnSchema::new("parent", ColumnType::Uuid, true).references(target)
    };
    let old = sessions(&[text("a"), parent("sessions")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["one", "NULL"], &["two", "NULL"]]).await;
    let first = "(SELECT id FROM (SELECT id FROM sessions WHERE a = 'one') AS first)";
    let child = format!("UPDATE sessions SET parent = {first} WHERE a = 'two'");
    scene.live.execute(&child).await.expect("a child");
    let new = Schema::new("logins", Vec::leak(vec![text("a"), parent("logins")]));
    let before = scene.live.catalogue("sessions").await.expect("a catalogue");
    let file = scene.migrate(&new.renamed_from("sessions")).await;
    assert!(!file.contains("references no row"), "{file}");
    let after = scene.live.catalogue("logins").await.expect("a catalogue");
    let named = |line: &String| line.replace("sessions", "logins");
    assert_eq!(after, before.iter().map(named).collect());
    scene.undo().await;
    assert_eq!(scene.live.catalogue("sessions").await.expect("a catalogue"), before);
    scene.live.execute("DELETE FROM sessions WHERE a = 'one'").await.expect("the parent");
    assert_eq!(scene.live.count("sessions").await.expect("a number"), 0);
}

async fn nothing_of_a_companion_keeps_its_old_name(scene: Scene) {
    let user = [ColumnSchema::new("user_id", ColumnType::BigInt, false).subject()];
    let old = sessions(&user).options(anchor::schema::SchemaOptions::NONE.cut_off());
    scene.migrate(&old).await;
    let new = Schema::new("logins", old.columns).options(old.options).renamed_from("sessions");
    scene.migrate(&new).await;
    let companion = scene.live.catalogue("logins_cut_offs").await.expect("a catalogue");
    assert!(!companion.is_empty());
    assert!(!companion.iter().any(|line| line.contains("sessions")), "{companion:?}");
    scene.undo().await;
    let companion = scene.live.catalogue("sessions_cut_offs").await.expect("a catalogue");
    assert!(!companion.iter().any(|line| line.contains("logins")), "{companion:?}");
}

async fn a_default_is_not_renamed_with_the_variants(scene: Scene) {
    const PLANS: ColumnType = ColumnType::Enum(&["x", "y"]);
    let old = sessions(&[ColumnSchema::new("plan", PLANS, true)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["x"], &["NULL"], &["y"]]).await;
    let new = ColumnSchema::new("plan", PLANS, false).default("'y'");
    let new = sessions(&[new.renamed_variants(&[("x", "y"), ("y", "x")])]);
    scene.migrate(&new).await;
    assert_eq!(scene.values("plan").await, ["y", "y", "x"]);
}

async fn columns_change_places_a_second_time(scene: Scene) {
    let plain = sessions(&[text("a"), text("b")]);
    let swapped = sessions(&[was("a", "b"), was("b", "a")]);
    scene.migrate(&plain).await;
    scene.insert(&plain, &[&["one", "two"]]).await;
    scene.migrate(&swapped).await;
    assert_eq!(scene.values("a").await, ["two"]);
    // The answers leave the struct, and the header after it.
    anchor::migrate::check(&plain, &scene.migrations()).expect_err("the header has them still");
    let file = scene.migrate(&plain).await;
    assert!(file.contains("SELECT 1;") && !file.contains(" was b"), "{file}");
    assert!(anchor::migrate::write(&plain, &scene.migrations()).expect("nothing").is_empty());
    assert_eq!(scene.values("a").await, ["two"]);
    // They are given again.
    scene.migrate(&swapped).await;
    assert_eq!(scene.values("a").await, ["one"]);
    assert_eq!(scene.values("b").await, ["two"]);
    scene.undo().await;
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["two"]);
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["one"]);
}

async fn variants_change_places_a_second_time(scene: Scene) {
    const ROLES: ColumnType = ColumnType::Enum(&["x", "y"]);
    let role = ColumnSchema::new("role", ROLES, false);
    let plain = sessions(&[role]);
    let swapped = sessions(&[role.renamed_variants(&[("x", "y"), ("y", "x")])]);
    scene.migrate(&plain).await;
    scene.insert(&plain, &[&["x"], &["y"]]).await;
    scene.migrate(&swapped).await;
    assert_eq!(scene.values("role").await, ["y", "x"]);
    scene.migrate(&plain).await;
    assert_eq!(scene.values("role").await, ["y", "x"]);
    scene.migrate(&swapped).await;
    assert_eq!(scene.values("role").await, ["x", "y"]);
    scene.undo().await;
    assert_eq!(scene.values("role").await, ["y", "x"]);
}

async fn a_table_gets_its_old_name_back(scene: Scene) {
    let old = sessions(&[text("a")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1"]]).await;
    scene.migrate(&Schema::new("logins", old.columns).renamed_from("sessions")).await;
    anchor::migrate::write(&old, &scene.migrations()).expect_err("a second table");
    scene.migrate(&old.renamed_from("logins")).await;
    assert_eq!(scene.values("a").await, ["a1"]);
}

async fn a_column_takes_the_name_of_one_that_goes(scene: Scene) {
    let old = sessions(&[text("a"), text("b")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1", "b1"], &["a2", "b2"]]).await;
    let new = sessions(&[was("a", "b")]);
    assert!(scene.refused(&new).contains("`a` was removed from the struct"));
    scene.drop(&new).await;
    assert_eq!(scene.values("a").await, ["b1", "b2"]);
    scene.undo().await;
    assert_eq!(scene.values("b").await, ["b1", "b2"]);
    assert_eq!(scene.values("a").await, ["NULL", "NULL"]);
}

async fn two_columns_change_places(scene: Scene) {
    let old = sessions(&[text("a"), text("b")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1", "b1"], &["a2", "b2"]]).await;
    scene.migrate(&sessions(&[was("a", "b"), was("b", "a")])).await;
    assert_eq!(scene.values("a").await, ["b1", "b2"]);
    assert_eq!(scene.values("b").await, ["a1", "a2"]);
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["a1", "a2"]);
    assert_eq!(scene.values("b").await, ["b1", "b2"]);
}

async fn three_columns_go_in_a_circle(scene: Scene) {
    let old = sessions(&[text("a"), text("b"), text("order")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1", "b1", "o1"]]).await;
    let new = sessions(&[was("a", "b"), was("b", "order"), was("order", "a")]);
    scene.migrate(&new).await;
    assert_eq!(scene.values("a").await, ["b1"]);
    assert_eq!(scene.values("b").await, ["o1"]);
    assert_eq!(scene.values("order").await, ["a1"]);
    assert!(anchor::migrate::write(&new, &scene.migrations()).expect("nothing").is_empty());
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["a1"]);
    assert_eq!(scene.values("b").await, ["b1"]);
    assert_eq!(scene.values("order").await, ["o1"]);
}

async fn a_new_column_has_the_name_that_another_had(scene: Scene) {
    let old = sessions(&[text("a")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1"]]).await;
    scene.migrate(&sessions(&[text("a"), was("c", "a")])).await;
    assert_eq!(scene.values("c").await, ["a1"]);
    assert_eq!(scene.values("a").await, ["NULL"]);
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["a1"]);
}

async fn an_old_answer_is_done(scene: Scene) {
    let old = sessions(&[text("a")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1"]]).await;
    scene.migrate(&sessions(&[was("b", "a")])).await;
    // Another column gets the name that `b` had; `b` says still what it was.
    let both = sessions(&[was("b", "a"), text("a")]);
    let file = scene.migrate(&both).await;
    assert!(file.contains("column b text") && file.contains(" was a\n"), "{file}");
    assert_eq!(scene.values("b").await, ["a1"]);
    assert_eq!(scene.values("a").await, ["NULL"]);
    scene.migrate(&sessions(&[was("b", "a"), text("a"), text("c")])).await;
    assert_eq!(scene.values("b").await, ["a1"]);
}

async fn a_name_comes_back_for_another_column(scene: Scene) {
    let old = sessions(&[text("a")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1"]]).await;
    scene.migrate(&sessions(&[was("b", "a")])).await;
    let both = sessions(&[was("b", "a"), text("a")]);
    scene.migrate(&both).await;
    // `a` goes: is it `b` once more, or dropped?
    let left = sessions(&[was("b", "a")]);
    let message = scene.refused_drop(&left);
    assert_expected("renamed_again", &message);
    scene.drop(&sessions(&[text("b")])).await;
    assert_eq!(scene.values("b").await, ["a1"]);
}

async fn columns_of_unlike_types_change_places(scene: Scene) {
    let number = |name| ColumnSchema::new(name, ColumnType::BigInt, true);
    let old = sessions(&[text("a"), number("n")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1", "7"]]).await;
    scene.migrate(&sessions(&[number("a").renamed_from("n"), was("n", "a")])).await;
    assert_eq!(scene.values("a").await, ["7"]);
    assert_eq!(scene.values("n").await, ["a1"]);
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["a1"]);
    assert_eq!(scene.values("n").await, ["7"]);
}

async fn indexed_and_unique_columns_change_places(scene: Scene) {
    const ROLES: ColumnType = ColumnType::Enum(&["x", "y"]);
    let role = |name| ColumnSchema::new(name, ROLES, false);
    let old = sessions(&[
        text("a").unique(),
        text("b").index(),
        role("c"),
        role("d"),
        text("e").index(),
        text("f").index(),
    ]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["a1", "b1", "x", "y", "e1", "f1"]]).await;
    let new = sessions(&[
        was("a", "b").index(),
        was("b", "a").unique(),
        role("c").renamed_from("d"),
        role("d").renamed_from("c"),
        was("e", "f").index(),
        was("f", "e").index(),
    ]);
    scene.migrate(&new).await;
    assert_eq!(scene.values("a").await, ["b1"]);
    assert_eq!(scene.values("b").await, ["a1"]);
    assert_eq!(scene.values("c").await, ["y"]);
    scene
        .try_insert(&new, &[&["b1", "a1", "x", "x", "e", "f"]])
        .await
        .expect_err("`b` is unique now");
    scene.undo().await;
    scene
        .try_insert(&old, &[&["a1", "b1", "x", "x", "e", "f"]])
        .await
        .expect_err("`a` is unique again");
    assert_eq!(scene.values("c").await, ["x"]);
}

#[tokio::test]
async fn what_stays_ambiguous_is_refused() {
    let scratch = crate::scratch::Scratch::new();
    let live =
        crate::live::Live::new(anchor::schema::Dialect::Sqlite).await.expect("SQLite is there");
    let scene = Scene { live, scratch };
    scene.migrate(&sessions(&[text("a"), text("b")])).await;
    let both = sessions(&[was("a", "b"), text("b")]);
    assert_expected("renamed_to_both", &scene.refused_drop(&both));
    let nothing = sessions(&[text("a"), text("b"), was("c", "d")]);
    assert_expected("renamed_from_nothing", &scene.refused_drop(&nothing));
    let system = sessions(&[text("a"), text("b"), was("c", "created_at")]);
    assert_expected("renamed_from_system", &scene.refused_drop(&system));
}

#[tokio::test]
async fn an_answer_of_a_column_that_moves_on_is_refused() {
    let scratch = crate::scratch::Scratch::new();
    let live =
        crate::live::Live::new(anchor::schema::Dialect::Sqlite).await.expect("SQLite is there");
    let scene = Scene { live, scratch };
    scene.migrate(&sessions(&[text("a")])).await;
    scene.migrate(&sessions(&[was("b", "a")])).await;
    scene.migrate(&sessions(&[was("b", "a"), text("a")])).await;
    // Does `b` get the values of the new `a`, or start anew?
    let moved = sessions(&[was("c", "b"), was("b", "a")]);
    assert_expected("renamed_onward", &scene.refused_drop(&moved));
}

#[tokio::test]
async fn an_old_answer_of_a_variant_that_came_back_is_refused() {
    let scratch = crate::scratch::Scratch::new();
    let live =
        crate::live::Live::new(anchor::schema::Dialect::Sqlite).await.expect("SQLite is there");
    let scene = Scene { live, scratch };
    let plain = |values| ColumnSchema::new("role", ColumnType::Enum(values), false);
    let role = |values| plain(values).renamed_variants(&[("boss", "admin")]);
    scene.migrate(&sessions(&[plain(&["boss", "member"])])).await;
    scene.migrate(&sessions(&[role(&["admin", "member"])])).await;
    // Another `boss`, who is no administrator, comes and goes.
    scene.migrate(&sessions(&[role(&["admin", "member", "boss"])])).await;
    let left = sessions(&[role(&["admin", "member"])]);
    assert_expected("variant_renamed_again", &scene.refused_drop(&left));
    // The way out.
    scene.migrate(&sessions(&[plain(&["admin", "member", "boss"])])).await;
    scene.migrate(&left).await;
}
