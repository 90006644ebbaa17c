//! A crate that passes anchor on under another path.

mod framework {
    pub(crate) mod sessions {
        pub(crate) use ::anchor::*;
    }
}

use framework::sessions::{Column, SessionData, logout, require_session};

#[derive(Debug, Clone, Column)]
#[column(crate = "crate::reexported::framework::sessions")]
enum Role {
    Member,
}

#[derive(Debug, Clone, SessionData)]
#[session(crate = "crate::reexported::framework::sessions")]
struct Reexported {
    role: Role,
}

#[require_session(
    Reexported,
    when = |session| matches!(session.role, Role::Member),
    crate = "crate::reexported::framework::sessions"
)]
async fn guarded() {}

#[logout(crate = "crate::reexported::framework::sessions")]
async fn ended() {}

#[test]
fn the_macros_name_the_path_that_they_are_given() {
    assert_eq!(Reexported::schema().columns[0].name, "role");
    let _ = axum::routing::get::<_, _, ()>(guarded).post(ended);
}
