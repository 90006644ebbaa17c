//! The column of a removed field stays, with its values, until it is dropped in words; other
//! changes leave it alone, and a field that comes back has its values again.

use anchor::column::ColumnType;
use anchor::migrate::{self, Checked};
use anchor::schema::{ColumnSchema, OnChange, Schema, SchemaOptions};

use crate::scene::{Scene, on_every_database, sessions};

const ROLES: ColumnType = ColumnType::Enum(&["admin", "member"]);

fn text(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::Text, false)
}

fn visits(ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new("visits", ty, false)
}

on_every_database! {
    a_removed_field_keeps_its_values_through_other_changes
    a_leaving_column_follows_the_table_to_another_name
    a_field_comes_back_for_another_type
    it_is_dropped_in_words_and_only_then
    a_column_of_anchors_own_is_no_field_that_comes_back
    a_field_is_no_column_of_anchors_own_that_comes_back
}

async fn a_removed_field_keeps_its_values_through_other_changes(scene: Scene) {
    let role = ColumnSchema::new("role", ROLES, false);
    let old = sessions(&[visits(ColumnType::Integer), text("code").unique(), role]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["1", "a", "admin"], &["2", "b", "member"]]).await;
    let without = sessions(&[visits(ColumnType::Integer)]);
    let file = scene.migrate(&without).await;
    assert!(!file.contains("DESTRUCTIVE") && !file.contains("DROP COLUMN"), "{file}");
    let added = text("locale").default("'en'");
    let wider = sessions(&[visits(ColumnType::BigInt), added]);
    let file = scene.migrate(&wider).await;
    assert!(file.contains("column code text") && file.contains(" leaving\n"), "{file}");
    assert_eq!(scene.values("code").await, ["a", "b"]);
    // Neither of the two is in its way.
    scene.insert(&wider, &[&["3", "de"], &["4", "de"]]).await;
    assert_eq!(scene.values("code").await, ["a", "b", "NULL", "NULL"]);

    // What is made without a value ends with the field's return, as with any `Option`.
    let code = text("code").unique().on_change(OnChange::EndSessions);
    let back = [visits(ColumnType::BigInt), added, code, role.on_change(OnChange::EndSessions)];
    scene.migrate(&sessions(&back)).await;
    assert_eq!(scene.values("code").await, ["a", "b"]);
    assert_eq!(scene.values("role").await, ["admin", "member"]);
    scene.undo().await;
    scene.undo().await;
    scene.undo().await;
    assert_eq!(scene.values("code").await, ["a", "b"]);
    scene.try_insert(&old, &[&["3", "a", "admin"]]).await.expect_err("`code` is unique again");
    scene.try_insert(&old, &[&["3", "c", "guest"]]).await.expect_err("a guest is no role");
}

async fn a_leaving_column_follows_the_table_to_another_name(scene: Scene) {
    let role = ColumnSchema::new("role", ROLES, false);
    let old = sessions(&[visits(ColumnType::Integer), text("code").unique(), role]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["1", "a", "admin"]]).await;
    scene.migrate(&sessions(&[visits(ColumnType::Integer)])).await;
    let renamed = |columns: Vec<ColumnSchema>| {
        Schema::new("logins", Vec::leak(columns)).renamed_from("sessions")
    };
    let without = renamed(vec![visits(ColumnType::Integer)]);
    scene.migrate(&without).await;
    assert_eq!(scene.live.texts("logins", "code").await.expect("a column"), ["a"]);
    let code = ColumnSchema::new("code", ColumnType::Text, true).unique();
    let back = renamed(vec![visits(ColumnType::Integer), code]);
    scene.migrate(&back).await;
    assert_eq!(scene.live.texts("logins", "code").await.expect("a column"), ["a"]);
    scene.drop(&back).await;
    assert_eq!(scene.live.texts("logins", "code").await.expect("a column"), ["a"]);
    scene.live.texts("logins", "role").await.expect_err("it is dropped");
}

async fn a_field_comes_back_for_another_type(scene: Scene) {
    let old = sessions(&[visits(ColumnType::Integer)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["7"]]).await;
    scene.migrate(&sessions(&[])).await;
    let wider = visits(ColumnType::BigInt);
    let message = scene.refused(&sessions(&[wider]));
    assert!(message.contains("cannot hold every old value"), "{message}");
    scene.migrate(&sessions(&[wider.default("0")])).await;
    assert_eq!(scene.values("visits").await, ["7"]);
}

async fn it_is_dropped_in_words_and_only_then(scene: Scene) {
    let old = sessions(&[visits(ColumnType::Integer), text("code")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["1", "a"]]).await;
    let new = sessions(&[visits(ColumnType::Integer)]);
    scene.migrate(&new).await;
    assert_eq!(migrate::check(&new, &scene.migrations()).expect("fine"), Checked::UpToDate);
    assert!(migrate::write(&new, &scene.migrations()).expect("nothing").is_empty());
    assert_eq!(scene.values("code").await, ["a"]);
    let file = scene.drop(&new).await;
    assert!(file.contains("DROP COLUMN code") && file.contains("DESTRUCTIVE"), "{file}");
    scene.live.texts("sessions", "code").await.expect_err("it is dropped");
    assert_eq!(scene.values("visits").await, ["1"], "and no session with it");
    let drop = scene.migrations().allow_drops();
    assert!(migrate::write(&new, &drop).expect("nothing").is_empty());
}

async fn a_column_of_anchors_own_is_no_field_that_comes_back(scene: Scene) {
    let tracked = sessions(&[visits(ColumnType::Integer)]).options(SchemaOptions::NONE.track());
    scene.migrate(&tracked).await;
    let plain = sessions(&[visits(ColumnType::Integer)]);
    scene.migrate(&plain).await;
    let agent = ColumnSchema::new("user_agent", ColumnType::Text, true);
    let message = scene.refused(&sessions(&[visits(ColumnType::Integer), agent]));
    assert!(message.contains("another column gets its name"), "{message}");
    // It comes back as what it was.
    scene.insert(&plain, &[&["1"]]).await;
    scene.migrate(&tracked).await;
    assert_eq!(scene.values("user_agent").await, ["NULL"]);
}

async fn a_field_is_no_column_of_anchors_own_that_comes_back(scene: Scene) {
    let agent = ColumnSchema::new("user_agent", ColumnType::Text, true);
    let old = sessions(&[visits(ColumnType::Integer), agent]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["1", "a field of the user's"]]).await;
    let plain = sessions(&[visits(ColumnType::Integer)]);
    scene.migrate(&plain).await;
    let tracked = plain.options(SchemaOptions::NONE.track());
    let message = scene.refused(&tracked);
    assert!(message.contains("another column gets its name"), "{message}");
    scene.drop(&tracked).await;
    assert_eq!(scene.values("user_agent").await, ["NULL"]);
}
