//! What the macros refuse, and what anchor has: a macro cannot ask the crate that it expands into,
//! so some lists exist twice.

#[test]
fn the_macros_refuse_the_words_that_the_stores_quote() {
    assert_eq!(
        include_str!("../../anchor-macros/src/session_data/reserved_words.txt"),
        include_str!("../../anchor/src/schema/reserved_words.txt"),
    );
}

#[test]
fn the_macros_refuse_the_system_columns_and_no_others() {
    let messages = include_str!("fail/session_names.stderr");
    let names = anchor::schema::SYSTEM_COLUMNS.iter().map(|system| system.column.name);
    let quoted: Vec<_> = names.clone().map(|name| format!("`{name}`")).collect();
    let taken = format!("(taken are {})", quoted.join(", "));
    assert!(messages.contains(&taken), "`SYSTEM_COLUMNS` of the macros are not: {taken}");
    for name in names {
        let refused = format!("every session's table has a column `{name}` already");
        assert!(messages.contains(&refused), "no case has a field `{name}`");
    }
}

#[test]
fn the_macros_refuse_the_names_that_would_be_cut() {
    use anchor::column::ColumnType;
    use anchor::schema::{ColumnSchema, Schema};

    static COLUMN: [ColumnSchema; 1] = [ColumnSchema::new(
        "a_column_whose_name_fits_and_whose_index_has_one_that_is_cut",
        ColumnType::Text,
        false,
    )
    .index()];
    let indexes = Schema::new("sessions", &COLUMN).indexes();
    let longest = indexes.iter().map(|index| index.name.len()).max().unwrap();
    let messages = include_str!("fail/session_names.stderr");
    let refused = format!("bytes; the maximum is {longest}");
    assert!(messages.contains(&refused), "the macros' longest name is not of {longest} bytes");
}

#[test]
fn the_macros_refuse_the_optional_system_columns_where_they_are_there() {
    use anchor::schema::{Schema, SchemaOptions};

    let source = include_str!("../../anchor-macros/src/session_data/schema_options.rs");
    let all = Schema::new("t", &[]).options(SchemaOptions::NONE.keep_ended().track().fingerprint());
    let always = anchor::schema::SYSTEM_COLUMNS.len();
    for system in all.system_columns().skip(always) {
        let name = system.column.name;
        assert!(source.contains(&format!("\"{name}\"")), "`{name}` is not refused");
    }
}
