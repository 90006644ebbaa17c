//! Names of the user's that an expansion must not confuse with its own.

#![allow(missing_docs, reason = "only the names matter here")]
#![allow(non_camel_case_types, reason = "only the names matter here")]
#![allow(dead_code, reason = "they hide what an expansion would name carelessly")]

use anchor::SessionData as Derived;

type Result = ();
type Option = ();
type String = std::string::String;
struct Some;
struct Ok;
struct Schema;
struct Session;
trait SessionData {}
trait Column {}

/// Bears the name of the extractor's state parameter in axum.
#[derive(Clone, Derived)]
pub(crate) struct S {
    #[session(column = "\"row\"")]
    pub(crate) row: String,
    pub(crate) parts: std::option::Option<i64>,
}

#[derive(Clone, Derived)]
#[session(table = "raw")]
pub(crate) struct r#struct {
    #[session(column = "kind")]
    pub(crate) r#type: i64,
    pub(crate) r#async: bool,
}

#[derive(anchor::Column, Clone)]
pub(crate) enum Value {
    Null,
    ColumnType,
    r#Self_,
}

#[anchor::require_session(S, when = |session| session.parts.is_some())]
async fn r#match(r#type: std::string::String) -> std::string::String {
    r#type
}

#[anchor::require_session(r#S)]
async fn of_a_raw_name() {}

#[anchor::require_session(r#struct, when = |session| session.r#async)]
async fn of_a_raw_keyword() {}

#[anchor::logout(r#struct)]
async fn out_of_a_raw_keyword() {}

#[test]
fn raw_identifiers_lose_their_prefix() {
    let names: Vec<_> = r#struct::schema().columns.iter().map(|column| column.name).collect();
    assert_eq!(names, ["kind", "async"]);
    let session = r#struct { r#type: 1, r#async: true };
    assert!(session.r#type == 1 && session.r#async);
    let _ = axum::routing::post::<_, _, ()>(r#match);
    let _ = axum::routing::post::<_, _, ()>(of_a_raw_name);
    let _ = axum::routing::post::<_, _, ()>(of_a_raw_keyword);
    let _ = axum::routing::post::<_, _, ()>(out_of_a_raw_keyword);
}
