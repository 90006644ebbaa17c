//! What the derives yield: the schema, and the way of a payload to its row and back.

use anchor::column::{ColumnError, ColumnType, Value};
use anchor::payload::{Decoder, Encoder};
use anchor::schema::{ColumnSchema, OnChange, OnDelete, Reference, Schema};
use anchor::{Column, SessionData};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Column)]
struct Email(String);

#[derive(Debug, Clone, PartialEq, Column)]
struct Named {
    inner: i16,
}

#[derive(Debug, Clone, Copy, PartialEq, Column)]
enum Role {
    Member,
    SuperAdmin,
    #[column(rename = "HR")]
    HumanResources,
}

#[derive(Debug, Clone, Copy, PartialEq, Column)]
#[column(rename_all = "SCREAMING_SNAKE_CASE")]
enum Plan {
    FreeForAll,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    sku: String,
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "app.sessions", idle = "30m", absolute = "1d12h", cookie = "__Host-app")]
#[session(renamed_from = "logins")]
struct Full {
    #[session(subject, references = "app.users(id) on delete restrict", unique)]
    user_id: Uuid,
    #[session(default = "'member'")]
    role: Role,
    #[session(json)]
    cart: Vec<Item>,
    #[session(column = "mail", sql_type = "citext", index, renamed_from = "email")]
    email: Option<Email>,
    #[session(skip)]
    scratch: Vec<u8>,
    #[session(column = "\"order\"", on_change = "end_sessions")]
    order: u16,
    r#type: bool,
    #[session(references = "\"user\"(\"key\") on delete set null")]
    inviter: Option<i64>,
}

fn full() -> Full {
    Full {
        user_id: Uuid::max(),
        role: Role::HumanResources,
        cart: vec![Item { sku: "🦀\0".to_owned() }],
        email: None,
        scratch: vec![7],
        order: u16::MAX,
        r#type: true,
        inviter: Some(i64::MIN),
    }
}

#[test]
fn every_attribute_reaches_the_schema() {
    const COLUMNS: &[ColumnSchema] = &[
        ColumnSchema::of::<Uuid>("user_id")
            .subject()
            .references(Reference::new("app.users", "id", OnDelete::Restrict))
            .unique(),
        ColumnSchema::of::<Role>("role").default("'member'"),
        ColumnSchema::json("cart"),
        ColumnSchema::of::<Option<Email>>("mail").sql_type("citext").index().renamed_from("email"),
        ColumnSchema::of::<u16>("order").on_change(OnChange::EndSessions),
        ColumnSchema::of::<bool>("type"),
        ColumnSchema::of::<Option<i64>>("inviter").references(Reference::new(
            "user",
            "key",
            OnDelete::SetNull,
        )),
    ];
    const EXPECTED: Schema = Schema::new("app.sessions", COLUMNS).renamed_from("logins");
    assert_eq!(*Full::schema(), EXPECTED);
    assert_eq!(Full::IDLE.as_secs(), 30 * 60);
    assert_eq!(Full::ABSOLUTE.as_secs(), 36 * 60 * 60);
    assert_eq!(Full::COOKIE, Some("__Host-app"));
    assert_eq!(full().subject(), Some(&Uuid::max()));
}

#[test]
fn what_is_not_written_has_its_default() {
    #[derive(Clone, SessionData)]
    #[session(migrations = false)]
    struct HTTPVisit {
        #[allow(dead_code)]
        page: String,
    }
    assert_eq!(HTTPVisit::schema().table, "http_visit");
    assert_eq!(HTTPVisit::IDLE.as_secs(), 2 * 60 * 60);
    assert_eq!(HTTPVisit::ABSOLUTE.as_secs(), 14 * 24 * 60 * 60);
    assert_eq!(HTTPVisit::COOKIE, None);
    let visit = HTTPVisit { page: String::new() };
    assert!(visit.subject().is_none() && visit.impersonator().is_none());
}

#[test]
fn a_session_is_not_idle_for_longer_than_it_lives() {
    #[derive(Clone, SessionData)]
    #[session(absolute = "10m", migrations = false)]
    struct Pending {
        #[allow(dead_code)]
        page: String,
    }
    assert_eq!(Pending::IDLE.as_secs(), 10 * 60);
}

#[test]
fn an_impersonator_is_somebody_even_if_its_value_cannot_be_stored() {
    #[derive(Clone, Copy)]
    struct Nobody;

    impl Column for Nobody {
        const TYPE: ColumnType = ColumnType::Text;

        fn to_value(&self) -> Result<Value, ColumnError> {
            Err(ColumnError::new("it cannot"))
        }

        fn from_value(_: Value) -> Result<Self, ColumnError> {
            Ok(Nobody)
        }
    }

    #[derive(Clone, SessionData)]
    #[session(migrations = false)]
    struct Acting {
        #[session(impersonator)]
        admin: Option<i64>,
        other: Option<i64>,
    }

    #[derive(Clone, SessionData)]
    #[session(migrations = false)]
    struct Strange {
        #[session(impersonator)]
        admin: Option<Nobody>,
    }

    let acting = |admin| Acting { admin, other: Some(2) }.impersonator();
    assert_eq!((acting(Some(1)), acting(None)), (Some(Value::Int(1)), None));
    assert!(Acting { admin: None, other: Some(2) }.other.is_some());
    assert_eq!(Strange { admin: Some(Nobody) }.impersonator(), Some(Value::Null));
}

#[test]
fn a_payload_survives_its_row_but_for_what_is_skipped() {
    let values = Encoder::values_of(&full()).unwrap();
    assert_eq!(values.len(), Full::schema().columns.len());
    assert_eq!(values[1], Value::Text("HR".to_owned()));
    assert_eq!(values[3], Value::Null);
    let read: Full = Decoder::payload_of(&mut values.into_iter()).unwrap();
    assert_eq!(read, Full { scratch: Vec::new(), ..full() });
}

#[test]
fn a_row_that_does_not_fit_the_struct_names_the_column_and_not_the_value() {
    let mut values = Encoder::values_of(&full()).unwrap();
    values[1] = Value::Text("hunter2".to_owned());
    let error = Decoder::payload_of::<Full>(&mut values.into_iter()).unwrap_err();
    assert_eq!(error.column(), "role");
    assert_eq!(
        error.to_string(),
        "column `role` cannot be read: the text is not one of member, super_admin, HR"
    );
}

#[test]
fn a_newtype_is_the_column_that_it_wraps() {
    assert_eq!(Email::TYPE, ColumnType::Text);
    assert_eq!(Named::TYPE, ColumnType::SmallInt);
    assert_eq!(Named { inner: 3 }.to_value().unwrap(), Value::Int(3));
    assert_eq!(Named::from_value(Value::Int(3)).unwrap(), Named { inner: 3 });
}

#[test]
fn an_enum_is_text_out_of_a_fixed_set() {
    assert_eq!(Role::TYPE, ColumnType::Enum(&["member", "super_admin", "HR"]));
    assert_eq!(Plan::TYPE, ColumnType::Enum(&["FREE_FOR_ALL"]));
    for role in [Role::Member, Role::SuperAdmin, Role::HumanResources] {
        assert_eq!(Role::from_value(role.to_value().unwrap()).unwrap(), role);
    }
    assert!(Role::from_value(Value::Text("Member".to_owned())).is_err());
}

/// The struct may be in a library crate that knows no database, and the store in an application:
/// the test that holds the migrations to the struct is there without an SQL feature.
#[test]
fn a_struct_s_migrations_are_tested_whatever_the_features() {
    let mut list = std::process::Command::new(std::env::current_exe().unwrap());
    let output = list.args(["anchor_migrations_Full", "--list"]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("anchor_migrations_Full::agree_with_the_struct: test"), "{output}");
}

/// The way to a library crate's first file.
#[test]
#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
fn without_a_database_the_first_file_asks_for_its_dialect() {
    use anchor::migrate::{self, Migrations};
    use anchor::schema::Dialect;

    let folder = std::env::temp_dir().join(format!("anchor-derived-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let migrations = Migrations::in_folder(&folder);
    let error = migrate::write(Full::schema(), &migrations).unwrap_err().to_string();
    assert!(error.contains("none of anchor's SQL features is on in this build"), "{error}");
    assert!(error.contains("ANCHOR_DIALECT=postgres ANCHOR_MIGRATE=1"), "{error}");
    migrate::write(Full::schema(), &migrations.clone().dialect(Dialect::Postgres)).unwrap();
    migrate::check(Full::schema(), &migrations).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
