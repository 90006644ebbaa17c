//! Payloads in all the places where a struct may stand.

use anchor::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An enum as a column.
#[derive(Debug, Clone, Copy, Column)]
pub enum Role {
    /// Stored as `member`.
    Member,
    /// Stored as `super_admin`.
    SuperAdmin,
}

/// A newtype as a column.
#[derive(Debug, Clone, Column)]
pub struct Email(pub String);

/// Something that serde knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub sku: String,
}

/// A public payload with a field of every kind.
#[derive(Debug, Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", cookie = "__Host-id")]
pub struct UserSession {
    /// Whose session it is.
    #[session(subject, references = "users(id)")]
    pub user_id: Uuid,
    /// What they may do.
    #[session(default = "'member'")]
    pub role: Role,
    /// JSON.
    #[session(json)]
    pub cart: Vec<Item>,
    /// May be `NULL`.
    pub email: Option<Email>,
    /// Not stored.
    #[session(skip)]
    pub scratch: Option<std::time::Duration>,
}

impl UserSession {
    /// Whether the field that is not stored came back as its default.
    pub(crate) fn is_as_read(&self) -> bool {
        self.scratch.is_none()
    }

    pub(crate) fn is_admin(&self) -> bool {
        matches!(self.role, Role::SuperAdmin)
    }
}

/// A payload with every extra.
#[derive(Debug, Clone, SessionData)]
#[session(
    max_per_subject = 5,
    on_limit = "refuse",
    keep_ended = "30d",
    track,
    fingerprint,
    cut_off
)]
pub struct Extended {
    /// Whose session it is.
    #[session(subject)]
    pub user_id: Uuid,
}

#[test]
fn a_payload_says_what_its_table_has_besides() {
    use anchor::payload::{LimitExceeded, SubjectLimit};
    use anchor::schema::SchemaOptions;

    fn can_be_cut_off<T: anchor::payload::CutOff>() {}
    can_be_cut_off::<Extended>();
    let all = SchemaOptions::NONE.keep_ended().track().fingerprint().cut_off();
    assert_eq!(Extended::schema().options, all);
    assert_eq!(Extended::LIMIT, Some(SubjectLimit::new(5, LimitExceeded::Refuse)));
    assert_eq!(Extended::KEEP_ENDED, Some(std::time::Duration::from_hours(30 * 24)));
    assert_eq!(UserSession::schema().options, SchemaOptions::NONE);
    assert_eq!((UserSession::LIMIT, UserSession::KEEP_ENDED), (None, None));
}

#[test]
fn a_payload_inside_a_function_body() {
    // A test can only be collected from a module, so the one that holds migrations to the struct is
    // left out.
    #[derive(Clone, SessionData)]
    #[session(migrations = false)]
    struct Local {
        name: String,
    }
    assert_eq!(Local::schema().table, "local");
    assert_eq!(Local { name: String::new() }.name, "");
}

macro_rules! payload {
    ($name:ident, $field:ident: $ty:ty, $idle:literal) => {
        #[derive(Clone, SessionData)]
        #[session(idle = $idle)]
        pub(crate) struct $name {
            pub(crate) $field: $ty,
        }
    };
}

macro_rules! payload_from_tokens {
    ($name:ident { $($field:ident: [$($ty:tt)*]),* }) => {
        #[derive(Clone, SessionData)]
        pub(crate) struct $name {
            $(pub(crate) $field: $($ty)*,)*
        }
    };
}

payload_from_tokens!(FromTokens { body: [Vec<u8>], value: [bool] });

payload!(FromMacro, visits: Option<i64>, "5m");

#[test]
fn a_payload_out_of_a_macro() {
    let from_tokens = FromTokens { body: Vec::new(), value: true };
    assert!(from_tokens.body.is_empty() && from_tokens.value);
    assert_eq!(FromMacro::schema().columns[0].name, "visits");
    assert_eq!(FromMacro::IDLE.as_secs(), 300);
    assert_eq!(FromMacro { visits: None }.visits, None);
}
