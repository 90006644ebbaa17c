//! What the macros refuse, and what anchor has: a macro cannot ask the crate that it expands into, so some lists exist twice.

#[test]
fn the_macros_refuse_the_words_that_the_stores_quote() {
    assert_eq!(
        include_str!("../../anchor-macros/src/session_data/reserved_words.txt"),
        include_str!("../../anchor/src/schema/reserved_words.txt"),
    );
}

#[test]
fn the_macros_refuse_every_system_column() {
    let messages = include_str!("fail/session_names.stderr");
    for system in anchor::schema::SYSTEM_COLUMNS {
        let name = system.column.name;
        let refused = format!("every session's table has a column `{name}` already");
        assert!(
            messages.contains(&refused),
            "`{name}` is not refused: add it to `SYSTEM_COLUMNS` of the macros"
        );
    }
}

#[test]
fn the_macros_refuse_the_optional_system_columns_where_they_are_there() {
    use anchor::schema::{Extras, Schema};

    let source = include_str!("../../anchor-macros/src/session_data/extras.rs");
    let all = Schema::new("t", &[]).extras(Extras::NONE.keep_ended().track().fingerprint());
    let always = anchor::schema::SYSTEM_COLUMNS.len();
    for system in all.system_columns().skip(always) {
        let name = system.column.name;
        assert!(source.contains(&format!("\"{name}\"")), "`{name}` is not refused");
    }
}
