//! A value is lost only where it was given up in words: casts keep what they can, and an answer
//! belongs to one change.

use anchor::column::ColumnType;
use anchor::schema::{ColumnSchema, Dialect, OnChange, OnDelete, Reference, Schema};

use crate::scene::{Scene, on, on_every_database, sessions};
use crate::scratch::assert_expected;

fn column(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, false)
}

fn text(name: &'static str) -> ColumnSchema {
    column(name, ColumnType::Text)
}

on_every_database! {
    a_longer_text_keeps_its_values
    a_cast_that_loses_nothing_keeps_the_values
    a_float_is_rounded_only_in_words
    a_default_is_what_the_new_type_holds
    columns_of_long_names_are_asserted
    values_are_reset_only_in_words
    the_default_of_an_addition_is_no_answer_to_a_retype
    an_old_on_change_is_no_answer_to_another_change
    only_the_sessions_whose_value_does_not_fit_end
    a_variant_gets_another_name
    variants_change_places
    variants_change_places_and_a_default_is_by_its_new_name
    two_variants_become_one
    a_removed_variant_is_refused_until_the_struct_says_what_becomes_of_it
    a_role_never_falls_to_its_default
    negative_numbers_are_seen_when_the_field_becomes_unsigned
    a_payloads_column_is_never_one_of_anchors_own
    an_indexed_text_without_a_value_becomes_an_integer
    a_number_becomes_a_text_that_references_and_the_other_way
    a_value_may_become_null_in_words
    what_a_narrower_type_still_lets_in
    a_default_that_the_store_cannot_read_is_refused
}

async fn a_value_may_become_null_in_words(scene: Scene) {
    let old = sessions(&[column("org", ColumnType::BigInt), text("b")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["7", "one"], &["8", "two"]]).await;
    let org = ColumnSchema::new("org", ColumnType::Uuid, true);
    let new = sessions(&[org, text("b")]);
    let refusal = scene.refused(&new);
    let choice = "every session gets NULL: ANCHOR_MIGRATE=downtime,drop cargo test";
    assert!(refusal.contains(choice), "{refusal}");
    let file = scene.drop(&new).await;
    assert!(file.contains("DESTRUCTIVE: `org`"), "{file}");
    assert_eq!(scene.values("org").await, ["NULL", "NULL"]);
    assert_eq!(scene.values("b").await, ["one", "two"]);
    // A column that leaves, and comes back with another type.
    scene.migrate(&sessions(&[text("b")])).await;
    let number = ColumnSchema::new("org", ColumnType::BigInt, true);
    let back = sessions(&[number, text("b")]);
    assert!(scene.refused(&back).contains(choice));
    scene.drop(&back).await;
    assert_eq!(scene.values("org").await, ["NULL", "NULL"]);
    // A role is never lost so.
    assert!(scene.refused_drop(&sessions(&[org.role(), text("b")])).contains("all sessions end"));
}

async fn what_a_narrower_type_still_lets_in(scene: Scene) {
    let number = |name, ty| ColumnSchema::new(name, ty, true).default("0");
    let old = sessions(&[number("a", ColumnType::BigInt), number("b", ColumnType::Integer)]);
    scene.migrate(&old).await;
    let new = sessions(&[
        number("a", ColumnType::Integer).default("1"),
        number("b", ColumnType::Integer).range(Some((0, 65_535))).default("1"),
    ]);
    scene.migrate(&new).await;
    // As the table in the documentation says of the release before.
    let too_large = scene.try_insert(&old, &[&["5000000000", "0"]]).await;
    assert_eq!(too_large.is_ok(), scene.dialect() == Dialect::Sqlite);
    scene.insert(&old, &[&["0", "-1"]]).await;
}

async fn a_default_that_the_store_cannot_read_is_refused(scene: Scene) {
    let old = sessions(&[text("b")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["one"]]).await;
    let since = |default| column("since", ColumnType::Timestamp).default(default);
    let active = |default| column("active", ColumnType::Bool).default(default);
    let now = match scene.dialect() {
        Dialect::Sqlite => {
            let wrong = sessions(&[text("b"), since("CURRENT_TIMESTAMP"), active("'true'")]);
            assert_expected("unreadable_default", &scene.refused(&wrong));
            let other = Schema::new("others", wrong.columns);
            assert!(scene.refused(&other).contains("which SQLite stores as text"));
            "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
        }
        _ => "CURRENT_TIMESTAMP",
    };
    scene.migrate(&sessions(&[text("b"), since(now), active("true")])).await;
    let Dialect::Sqlite = scene.dialect() else { return };
    let types = scene.live.rows("SELECT typeof(since), typeof(active) FROM sessions").await;
    assert_eq!(types.expect("a row"), [["integer", "integer"]]);
}

async fn a_longer_text_keeps_its_values(scene: Scene) {
    let of = |ty| [text("a").sql_type(ty).default("''")];
    let old = sessions(&of("VARCHAR(80)"));
    scene.migrate(&old).await;
    scene.insert(&old, &[&["kept"]]).await;
    scene.migrate(&sessions(&of("VARCHAR(120)"))).await;
    assert_eq!(scene.values("a").await, ["kept"]);
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["kept"]);
    // Of the dialect's own type, then shorter: only what is too long becomes the default.
    let own = sessions(&[text("a")]);
    scene.migrate(&own).await;
    scene.insert(&own, &[&["longer than ten characters"]]).await;
    let short = [text("a").sql_type("VARCHAR(10)").default("'cut'")];
    assert!(scene.refused(&sessions(&[short[0].default("NULL")])).contains("cannot hold every"));
    scene.migrate(&sessions(&short)).await;
    assert_eq!(scene.values("a").await, ["kept", "cut"]);
}

async fn a_cast_that_loses_nothing_keeps_the_values(scene: Scene) {
    use ColumnType::{BigInt, Double, Integer, Real, SmallInt, Text};
    let from = [("a", SmallInt), ("b", Integer), ("c", BigInt), ("d", Real), ("e", Integer)];
    let old = sessions(&from.map(|(name, ty)| column(name, ty)));
    scene.migrate(&old).await;
    scene
        .insert(&old, &[&["-7", "100000", "-5000000000", "0.5", "1"], &["1", "2", "3", "4", "5"]])
        .await;
    let to = [
        column("a", Real).default("0"),
        column("b", Double).default("0"),
        column("c", Text).default("''"),
        column("d", Double).default("0"),
        column("e", BigInt).default("0"),
    ];
    let file = scene.migrate(&sessions(&to)).await;
    assert!(!file.contains("DESTRUCTIVE"), "{file}");
    let floats = |texts: Vec<String>| -> Vec<f64> {
        texts.iter().map(|text| text.parse().expect("a float")).collect()
    };
    assert_eq!(floats(scene.values("a").await), [-7.0, 1.0]);
    assert_eq!(floats(scene.values("b").await), [100_000.0, 2.0]);
    assert_eq!(scene.values("c").await, ["-5000000000", "3"]);
    assert_eq!(floats(scene.values("d").await), [0.5, 4.0]);
    assert_eq!(scene.values("e").await, ["1", "5"]);
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["-7", "1"]);
    assert_eq!(scene.values("b").await, ["100000", "2"]);
    assert_eq!(scene.values("c").await, ["-5000000000", "3"]);
}

async fn a_float_is_rounded_only_in_words(scene: Scene) {
    let old = sessions(&[column("a", ColumnType::Double)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["0.5"]]).await;
    let new = sessions(&[column("a", ColumnType::Real).default("0")]);
    assert!(scene.refused(&new).contains("may round"));
    scene.drop(&new).await;
    assert_eq!(scene.values("a").await[0].parse(), Ok(0.5));
}

async fn a_default_is_what_the_new_type_holds(scene: Scene) {
    use ColumnType::{BigInt, Double, Integer, Real, Text};
    let optional = |name, ty| ColumnSchema::new(name, ty, true);
    let old = sessions(&[
        optional("a", BigInt),
        optional("b", Real),
        optional("c", BigInt),
        optional("d", Integer),
        optional("e", Text).sql_type("VARCHAR(5)"),
    ]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["NULL"; 5], &["7", "0.5", "-3", "4", "kept"]]).await;
    scene
        .migrate(&sessions(&[
            column("a", Double).default("0.5"),
            column("b", Double).default("0.1"),
            column("c", Text).default("'none'"),
            column("d", BigInt).default("5000000000"),
            text("e").sql_type("VARCHAR(50)").default("'longer than five'"),
        ]))
        .await;
    let floats = async |name| -> Vec<f64> {
        let texts = scene.values(name).await;
        texts.iter().map(|text| text.parse().expect("a float")).collect()
    };
    assert_eq!(floats("a").await, [0.5, 7.0]);
    assert_eq!(floats("b").await, [0.1, 0.5]);
    assert_eq!(scene.values("c").await, ["none", "-3"]);
    assert_eq!(scene.values("d").await, ["5000000000", "4"]);
    assert_eq!(scene.values("e").await, ["longer than five", "kept"]);
}

async fn columns_of_long_names_are_asserted(scene: Scene) {
    let names = [
        "a_column_of_the_payload_whose_name_is_long_1",
        "a_column_of_the_payload_whose_name_is_long_2",
    ];
    let of = |name| ColumnSchema::new(name, ColumnType::BigInt, true);
    let old = sessions(&names.map(of));
    scene.migrate(&old).await;
    scene.insert(&old, &[&["1", "2"], &["3", "4"]]).await;
    scene.migrate(&sessions(&names.map(|name| of(name).unique()))).await;
    assert_eq!(scene.values(names[1]).await, ["2", "4"]);
}

async fn values_are_reset_only_in_words(scene: Scene) {
    let old = sessions(&[column("a", ColumnType::Json)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["{}"]]).await;
    let new = sessions(&[column("a", ColumnType::Bool).default("true")]);
    assert!(scene.refused(&new).contains("cannot hold any old value"));
    scene.drop(&new).await;
    assert_eq!(scene.live.count("sessions").await.expect("a table"), 1);
}

async fn the_default_of_an_addition_is_no_answer_to_a_retype(scene: Scene) {
    scene.migrate(&sessions(&[])).await;
    let added = sessions(&[column("visits", ColumnType::BigInt).default("0")]);
    scene.migrate(&added).await;
    scene.insert(&added, &[&["5000000000"], &["7"]]).await;
    let narrower = |default| sessions(&[column("visits", ColumnType::Integer).default(default)]);
    let message = scene.refused(&narrower("0"));
    assert!(message.contains("was there before this change"), "{message}");
    scene.migrate(&narrower("-1")).await;
    assert_eq!(scene.values("visits").await, ["-1", "7"]);
}

async fn an_old_on_change_is_no_answer_to_another_change(scene: Scene) {
    scene.migrate(&sessions(&[])).await;
    let ends = |ty| sessions(&[column("visits", ty).on_change(OnChange::EndSessions)]);
    scene.migrate(&ends(ColumnType::BigInt)).await;
    scene.insert(&ends(ColumnType::BigInt), &[&["5000000000"], &["7"]]).await;
    let message = scene.refused(&ends(ColumnType::Integer));
    assert!(message.contains("ANCHOR_MIGRATE=drop"), "{message}");
    assert_eq!(scene.values("visits").await, ["5000000000", "7"]);
    scene.drop(&ends(ColumnType::Integer)).await;
    assert_eq!(scene.values("visits").await, ["7"]);
}

async fn only_the_sessions_whose_value_does_not_fit_end(scene: Scene) {
    let optional = ColumnSchema::new("org", ColumnType::BigInt, true);
    let old = sessions(&[optional]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["NULL"], &["7"]]).await;
    let new = column("org", ColumnType::BigInt).on_change(OnChange::EndSessions);
    scene.migrate(&sessions(&[new])).await;
    assert_eq!(scene.values("org").await, ["7"]);
}

const OLD: ColumnType = ColumnType::Enum(&["boss", "member"]);

fn role(ty: ColumnType) -> ColumnSchema {
    column("role", ty).role().default("'member'")
}

async fn with_roles(scene: &Scene) -> Schema {
    let old = sessions(&[role(OLD)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["boss"], &["member"]]).await;
    old
}

async fn a_variant_gets_another_name(scene: Scene) {
    with_roles(&scene).await;
    let new = ColumnType::Enum(&["admin", "member"]);
    assert!(scene.refused_drop(&sessions(&[role(new)])).contains("renamed_from = \"boss\""));
    let renamed = sessions(&[role(new).renamed_variants(&[("boss", "admin")])]);
    scene.migrate(&renamed).await;
    assert_eq!(scene.values("role").await, ["admin", "member"]);
    scene.undo().await;
    assert_eq!(scene.values("role").await, ["boss", "member"]);
}

async fn variants_change_places_and_a_default_is_by_its_new_name(scene: Scene) {
    let old = sessions(&[ColumnSchema::new("size", OLD, true)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["boss"], &["member"], &["NULL"]]).await;
    let new = column("size", OLD)
        .default("'member'")
        .renamed_variants(&[("boss", "member"), ("member", "boss")]);
    scene.migrate(&sessions(&[new])).await;
    assert_eq!(scene.values("size").await, ["member", "boss", "member"]);
}

async fn variants_change_places(scene: Scene) {
    with_roles(&scene).await;
    let swapped = [("boss", "member"), ("member", "boss")];
    let swapped = sessions(&[role(OLD).renamed_variants(Vec::leak(swapped.to_vec()))]);
    scene.migrate(&swapped).await;
    assert_eq!(scene.values("role").await, ["member", "boss"]);
    // It is done.
    assert!(anchor::migrate::write(&swapped, &scene.migrations()).expect("nothing").is_empty());
    scene.undo().await;
    assert_eq!(scene.values("role").await, ["boss", "member"]);

    let half = sessions(&[role(OLD).renamed_variants(&[("boss", "member")])]);
    assert!(scene.refused_drop(&half).contains("is still a variant"));
}

async fn two_variants_become_one(scene: Scene) {
    with_roles(&scene).await;
    let one = ColumnType::Enum(&["member"]);
    scene.migrate(&sessions(&[role(one).renamed_variants(&[("boss", "member")])])).await;
    assert_eq!(scene.values("role").await, ["member", "member"]);
    scene.undo().await;
    assert_eq!(scene.values("role").await, ["member", "member"], "nobody knows who it was");
}

async fn a_removed_variant_is_refused_until_the_struct_says_what_becomes_of_it(scene: Scene) {
    let plain = |ty| column("plan", ty).default("'free'");
    let old = sessions(&[plain(ColumnType::Enum(&["free", "gold", "trial"]))]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["free"], &["gold"], &["trial"]]).await;
    let left = plain(ColumnType::Enum(&["free", "gold"]));
    assert!(scene.refused_drop(&sessions(&[left])).contains("`trial`"));
    let changed = sessions(&[left.default("'gold'")]);
    assert!(scene.refused_drop(&changed).contains("`trial`"), "another default is no answer");
    scene.migrate(&sessions(&[left.on_change(OnChange::EndSessions)])).await;
    assert_eq!(scene.values("plan").await, ["free", "gold"]);
}

async fn a_role_never_falls_to_its_default(scene: Scene) {
    let optional = ColumnSchema::new("role", OLD, true).role();
    let old = sessions(&[optional]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["boss"], &["NULL"]]).await;
    let required = column("role", OLD).role().default("'boss'");
    let message = scene.refused_drop(&sessions(&[required]));
    assert!(!message.contains("become the default"), "{message}");
    let number = column("role", ColumnType::BigInt).role().default("0");
    let message = scene.refused_drop(&sessions(&[number]));
    assert!(!message.contains("gets the default"), "{message}");
    scene.migrate(&sessions(&[required.on_change(OnChange::EndSessions)])).await;
    assert_eq!(scene.values("role").await, ["boss"]);
}

async fn negative_numbers_are_seen_when_the_field_becomes_unsigned(scene: Scene) {
    let old = sessions(&[column("n", ColumnType::Integer)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["-7"], &["7"]]).await;
    let new = column("n", ColumnType::Integer).range(Some((0, 65_535)));
    let message = scene.refused(&sessions(&[new]));
    assert!(message.contains("from 0 to 65535"), "{message}");
    scene.migrate(&sessions(&[new.default("0")])).await;
    assert_eq!(scene.values("n").await, ["0", "7"]);
    // And back to what holds more: nothing to ask.
    scene.migrate(&sessions(&[column("n", ColumnType::Integer).default("0")])).await;
    assert_eq!(scene.values("n").await, ["0", "7"]);
}

async fn a_payloads_column_is_never_one_of_anchors_own(scene: Scene) {
    let old = sessions(&[text("status")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["vip"]]).await;
    let kept =
        Schema::new("sessions", &[]).options(anchor::schema::SchemaOptions::NONE.keep_ended());
    assert!(scene.refused(&kept).contains("`status` was removed from the struct"));
    scene.drop(&kept).await;
    assert_eq!(scene.values("status").await, ["active"], "nobody was ended");
    scene.undo().await;
    scene.insert(&old, &[&["vip"]]).await;
    let renamed = vec![text("my_status").renamed_from("status")];
    let renamed = Schema::new("sessions", renamed.leak())
        .options(anchor::schema::SchemaOptions::NONE.keep_ended());
    scene.migrate(&renamed).await;
    assert_eq!(scene.values("my_status").await, ["vip"]);
    assert_eq!(scene.values("status").await, ["active"]);
}

async fn an_indexed_text_without_a_value_becomes_an_integer(scene: Scene) {
    let optional = |ty| ColumnSchema::new("a", ty, true).on_change(OnChange::EndSessions);
    let old = sessions(&[optional(ColumnType::Text).index()]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["NULL"], &["NULL"]]).await;
    scene.drop(&sessions(&[optional(ColumnType::SmallInt)])).await;
    assert_eq!(scene.values("a").await, ["NULL", "NULL"]);
    scene.undo().await;
    scene.insert(&old, &[&["7"], &[""], &["seven"], &["70000"]]).await;
    scene.drop(&sessions(&[optional(ColumnType::SmallInt)])).await;
    assert_eq!(scene.values("a").await, ["NULL", "NULL", "7"]);
}

async fn a_number_becomes_a_text_that_references_and_the_other_way(scene: Scene) {
    let text = match scene.dialect() {
        Dialect::MySql => "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        _ => "TEXT",
    };
    for (table, ty, ids) in
        [("texts", text, "(''), ('7'), ('seven')"), ("numbers", "BIGINT", "(7)")]
    {
        let sql = format!("CREATE TABLE {table} (id {ty} NOT NULL PRIMARY KEY)");
        scene.live.execute(&sql).await.expect("a table");
        let sql = format!("INSERT INTO {table} VALUES {ids}");
        scene.live.execute(&sql).await.expect("rows");
    }
    let to = |ty, table| {
        let reference = Reference::new(table, "id", OnDelete::Restrict);
        let column = ColumnSchema::new("a", ty, true).on_change(OnChange::EndSessions);
        sessions(&[column.references(reference)])
    };
    let old = sessions(&[ColumnSchema::new("a", ColumnType::BigInt, true)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["7"], &["NULL"]]).await;
    let texts = to(ColumnType::Text, "texts");
    scene.migrate(&texts).await;
    assert_eq!(scene.values("a").await, ["7", "NULL"]);
    scene.insert(&texts, &[&[""], &["seven"]]).await;
    scene.drop(&to(ColumnType::BigInt, "numbers")).await;
    assert_eq!(scene.values("a").await, ["7", "NULL"]);
    scene.undo().await;
    assert_eq!(scene.values("a").await, ["7", "NULL"]);
}

#[tokio::test]
async fn a_mysql_enum_gets_a_variant_and_keeps_its_values() {
    on(Dialect::MySql, async |scene: Scene| {
        let of = |values, ty| sessions(&[column("a", ColumnType::Enum(values)).sql_type(ty)]);
        let old = of(&["a", "b"], "ENUM('a','b')");
        scene.migrate(&old).await;
        scene.insert(&old, &[&["a"], &["b"]]).await;
        let new = of(&["a", "b", "c"], "ENUM('a', 'b', 'c')");
        let file = scene.migrate(&new).await;
        assert!(!file.contains("DESTRUCTIVE"), "{file}");
        scene.insert(&new, &[&["c"]]).await;
        assert_eq!(scene.values("a").await, ["a", "b", "c"]);
        scene.undo().await;
        assert_eq!(scene.values("a").await, ["a", "b"]);
        // What is quoted is not the same in another case.
        let other = column("a", ColumnType::Enum(&["A", "b"])).sql_type("ENUM('A','b')");
        scene.refused(&sessions(&[other.renamed_variants(&[("a", "A")])]));
    })
    .await;
}

#[tokio::test]
async fn a_padded_text_is_not_a_variant_on_mysql() {
    on(Dialect::MySql, async |scene: Scene| {
        let old = sessions(&[text("a")]);
        scene.migrate(&old).await;
        scene.insert(&old, &[&["boss "], &["boss"]]).await;
        let new = column("a", OLD).on_change(OnChange::EndSessions);
        scene.migrate(&sessions(&[new])).await;
        assert_eq!(scene.values("a").await, ["boss"]);
    })
    .await;
}
