//! The procedural macros of anchor. Use them through the `anchor` crate, which re-exports them.
//!
//! The macros parse and check what the user wrote, and name what they generate. The work is done by
//! ordinary functions of anchor, which the expansions call. The macros do not read files or the
//! environment. If a struct or handler has several mistakes, they report all of them at once, each
//! at its own token.

mod arguments;
mod case;
mod column;
mod duration;
mod errors;
mod guards;
mod krate;
#[cfg(test)]
mod properties;
mod session_data;
#[cfg(test)]
mod snapshots;
mod source_text;
mod spans;
mod suggest;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct the payload of a session: its columns, its lifetime, its cookie, and an axum
/// extractor.
///
/// ```
/// use anchor::prelude::*;
/// use uuid::Uuid;
///
/// #[derive(Clone, SessionData)]
/// #[session(table = "sessions", idle = "2h", absolute = "14d")]
/// struct UserSession {
///     #[session(subject, references = "users(id)")]
///     user_id: Uuid,
///     #[session(default = "'member'")]
///     role: Role,
///     #[session(json)]
///     cart: Vec<Item>,
///     theme: Option<String>,
/// }
///
/// #[derive(Clone, Column)]
/// enum Role {
///     Member,
///     Admin,
/// }
///
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Item {
///     name: String,
/// }
/// ```
///
/// The macro also generates a test next to the struct, `anchor_migrations_<struct>`. The test fails
/// when the struct and its migrations disagree. Rust only collects tests from modules: for a struct
/// in a function's body, the compiler warns `cannot test inner items`. Write `migrations = false`
/// there.
///
/// The struct must have named fields and no generics, and must implement `Clone`. A handler can
/// take it as an argument (without a session, the answer is 401) or as `Option<UserSession>`
/// (without a session, it is `None`). The handler gets a copy.
///
/// # On the struct
///
/// | `#[session(..)]` | meaning | default |
/// | --- | --- | --- |
/// | `table = "sessions"` | the table's name; `"schema.table"` if the database has schemas. Tokens are bound to this name: changing it ends all sessions | the struct's name in `snake_case` |
/// | `idle = "2h"` | a session ends when it has not been used for this long | `"2h"`, or `absolute` if that is less |
/// | `absolute = "14d"` | a session ends this long after its login, whether it is used or not; at least as long as `idle` | `"14d"` |
/// | `cookie = "__Host-id"` | the cookie's name, which must be different for each payload of a process | the frontend's default |
/// | `max_per_subject = 5` | the maximum number of live sessions per subject, even if several logins arrive at once; needs a `subject` | no limit |
/// | `on_limit = "refuse"` | what a login above that limit does: `"refuse"` refuses the login, `"end_oldest"` ends the oldest sessions | `"end_oldest"` |
/// | `keep_ended = "30d"` | ended sessions stay in the table for this long, with how, when and why they ended, for `history` | ended sessions are removed |
/// | `track` | the table stores the address and the user agent of the latest use | it stores neither |
/// | `fingerprint` | the table stores a hash of what the session is bound to | it stores no hash |
/// | `cut_off` | a subject can be cut off: this also ends logins that have begun but are not created yet. It adds a table `<table>_cut_offs` and one more statement per login; needs a `subject` | a subject cannot be cut off |
/// | `renamed_from = "old"` | the table's previous name, for migrations | |
/// | `migrations = "folder"` | the folder of the struct's migrations, relative to its package; `migrations = false` leaves out the test that compares them with the struct | `migrations` |
/// | `crate = "path"` | the path of anchor, if it is not `::anchor` | `::anchor` |
///
/// Durations are whole seconds, minutes, hours, days or weeks, with the largest unit first:
/// `"30s"`, `"10m"`, `"2h"`, `"14d"`, `"1w"`, `"1h30m"`. The maximum is 100 years.
///
/// # On a field
///
/// Each field is one column. Its type must implement `Column`: `String`, `bool`, `i16`, `i32`,
/// `i64`, `u8`, `u16`, `u32`, `f32`, `f64`, `Vec<u8>`, `Uuid`, `IpAddr`, the date-times of the
/// features `time`, `chrono` and `jiff`, types that derive `Column`, and `Option` of all these.
///
/// | `#[session(..)]` | meaning |
/// | --- | --- |
/// | `subject` | whose session it is: indexed, listable, revocable; at most one field, which must not be an `Option` |
/// | `role` | the value that `role = ..` in `#[require_session]` is compared with; at most one field |
/// | `impersonator` | who acts as the subject in this session, such as an administrator: `Some` means that a guard with `fresh` refuses it, and that the log names both; at most one field, an `Option` |
/// | `json` | stored as JSON through serde, whatever its type |
/// | `skip` | not stored: `Default::default()` when a session is loaded |
/// | `default = "'member'"` | the column's SQL default, written as an SQL expression |
/// | `column = "order_id"` | the column's name, instead of the field's name; put a reserved word of SQL in quotes: `"\"order\""` |
/// | `sql_type = "citext"` | the column's SQL type, instead of the one that follows from the field's type |
/// | `index`, `unique` | the column is indexed, or unique |
/// | `references = "users(id)"` | a foreign key; a user who is deleted is logged out. It can be followed by `on delete cascade` (the default), `on delete restrict` or `on delete set null` |
/// | `renamed_from = "old"` | the column's previous name, for migrations |
/// | `on_change = "end_sessions"` | in migrations, a change for which existing sessions have no value ends these sessions |
#[proc_macro_derive(SessionData, attributes(session))]
pub fn derive_session_data(input: TokenStream) -> TokenStream {
    session_data::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a newtype or a field-less enum a column of a session.
///
/// ```
/// use anchor::Column;
///
/// #[derive(Clone, Column)]
/// struct Email(String); // stored like a String
///
/// #[derive(Clone, Column)]
/// #[column(rename_all = "kebab-case")]
/// enum Role {
///     Member,
///     SuperAdmin, // stored as super-admin
///     #[column(rename = "boss")]
///     Owner,
/// }
/// ```
///
/// A newtype is stored as the value that it wraps, and is read without a check of its own. To add a
/// check, implement `Column` by hand. An enum is stored as text, which a `CHECK` restricts to its
/// variants.
///
/// | `#[column(..)]` | where | meaning |
/// | --- | --- | --- |
/// | `rename_all = ".."` | enum | `snake_case` (the default), `kebab-case`, `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`, `SCREAMING_SNAKE_CASE` |
/// | `rename = ".."` | variant | the name under which this variant is stored |
/// | `crate = "path"` | type | the path of anchor, if it is not `::anchor` |
#[proc_macro_derive(Column, attributes(column))]
pub fn derive_column(input: TokenStream) -> TokenStream {
    column::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Guards a handler, so that it only runs for a request with a live session.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, admin: bool }
/// use axum::http::StatusCode;
///
/// #[require_session(UserSession)]
/// async fn me(session: Session<UserSession>) -> String {
///     format!("user {}", session.user_id)
/// }
///
/// #[require_session(UserSession, when = |user| user.admin, fresh = "10m")]
/// async fn delete_account() -> StatusCode {
///     StatusCode::NO_CONTENT
/// }
/// ```
///
/// A request without a live session gets 401, before any other extractor runs and before the body
/// is read. If the store cannot answer, the request gets 503.
///
/// | argument | meaning | otherwise |
/// | --- | --- | --- |
/// | a type, first | the session's type | the type of an argument `Session<T>`; without one, a bare guard (see below) |
/// | `when = path_or_closure` | `fn(&T) -> bool` must return `true` | 403 |
/// | `policy = Type` | `impl Policy<T> for Type`, or a tuple of such types, must allow the request | 403 |
/// | `fresh = "10m"` | the subject must have proved who they are at most this long ago | 403, with its own code |
/// | `role = Role::Admin` | the field marked `#[session(role)]` must have this value | 403 |
/// | `authoritative` | the session is read from the store, even if the manager has a cache | |
/// | `redirect = "/login"` | a browser's `GET` or `HEAD` without a session is sent to this page with 303, and with a `?next=` that `anchor::Next` reads back | |
/// | `crate = "path"` | the path of anchor, if it is not `::anchor` | |
///
/// `when`, `policy`, `role` and `fresh` are checked in the order in which they are written. They
/// need the session's type, and so does `authoritative`.
///
/// Write the type. A bare `#[require_session]`, on a handler without an argument `Session<T>`,
/// accepts any session that the route has a layer for. It is meant for applications with one
/// payload type: `anchor::routing` does not accept it, and once the process has built managers for
/// two payload types, it answers every request with 500. Otherwise, a layer that is lost in a
/// refactoring would let a user's session open an administrator's page.
///
/// `redirect` applies to requests that name HTML in `Accept`, as the navigations of browsers do.
/// Other requests get 401, so that a script does not receive a page and a `POST` is not repeated. A
/// session that is not `fresh` is sent to the page as well, with
/// `&reason=reauthentication_required`: in this case the page must ask for the password although
/// there is a session. If a policy denies the request, the answer is still 403, because logging in
/// would not help.
///
/// The macro inserts one first argument, without a name, and leaves the rest as it was written. A
/// call of the handler as a function therefore lacks an argument of the type
/// `anchor::guard::Require`. In a test, `session.guard().await?` of `anchor::testing` runs the
/// guard and returns that argument:
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, admin: bool }
/// # #[require_session(UserSession)]
/// # async fn me(session: Session<UserSession>) -> String {
/// #     format!("user {}", session.user_id)
/// # }
/// # async fn test(
/// #     sessions: SessionManager<UserSession>,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let session = sessions.test_session(UserSession { user_id: 1, admin: false }).await;
/// let answer = me(session.guard().await?, session.session().await?).await;
/// assert_eq!(answer, "user 1");
/// # Ok(())
/// # }
/// ```
///
/// `when`, `role` and `redirect` also generate a type next to the handler. In an `impl` block, the
/// compiler therefore reports "struct is not supported in `trait`s or `impl`s": write `policy =
/// Type` there, or make the handler a free function. With `#[debug_handler]`, put
/// `#[require_session]` above it:
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, admin: bool }
/// use axum::debug_handler;
///
/// #[require_session(UserSession)]
/// #[debug_handler]
/// async fn me(session: Session<UserSession>) -> String {
///     format!("user {}", session.user_id)
/// }
/// ```
#[proc_macro_attribute]
pub fn require_session(arguments: TokenStream, item: TokenStream) -> TokenStream {
    guards::require_session::expand(arguments.into(), item.into()).into()
}

/// Ends the request's session before the handler runs.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, admin: bool }
/// use axum::Router;
/// use axum::response::Redirect;
/// use axum::routing::post;
///
/// #[logout(UserSession)]
/// async fn logout() -> Redirect {
///     Redirect::to("/")
/// }
///
/// let app: Router = Router::new().route("/logout", post(logout));
/// ```
///
/// When the body runs, the session's row is gone, and the response removes the cookie. A logout
/// that the store could not carry out is answered with 503, and the body does not run. A request
/// without a session is allowed, because a logout may be repeated. For this reason, `#[logout]`
/// cannot be combined with `#[require_session]`.
///
/// | written | ends |
/// | --- | --- |
/// | `#[logout(UserSession)]` | the request's session |
/// | `#[logout(UserSession, all)]` | every session of its subject, including this one; 401 for the token of an ended session |
/// | `#[logout(UserSession, others)]` | every session of its subject except this one, which must be live: 401 otherwise |
///
/// `GET`, `HEAD`, `OPTIONS` and `TRACE` are answered with 405 and end nothing, wherever the handler
/// is routed, because a link, an image or a prefetch on another site could send them. To end a
/// session with `GET` anyway, call `auth.logout()` in your own handler.
///
/// Without a type, the session is that of an argument `Session<T>` or `Auth<T>`. Without such an
/// argument, the logout is bare, with the limits of a bare [`macro@require_session`]. `crate =
/// "path"` is the path of anchor, if it is not `::anchor`.
///
/// The macro inserts one first argument, without a name, and leaves the rest as it was written; a
/// test gets it as that of [`macro@require_session`]. Put `#[debug_handler]` below `#[logout]`.
#[proc_macro_attribute]
pub fn logout(arguments: TokenStream, item: TokenStream) -> TokenStream {
    guards::logout::expand(arguments.into(), item.into()).into()
}

/// Declares a handler open: anyone may call it.
///
/// ```
/// use anchor::public;
/// use anchor::routing::{Router, get};
///
/// #[public]
/// async fn home() -> &'static str {
///     "welcome"
/// }
///
/// let app: Router = Router::new().route("/", get(home));
/// ```
///
/// It has a single effect: the routing functions of `anchor::routing` accept the handler. They
/// refuse a handler that does not declare a policy.
///
/// The macro inserts one first argument, without a name, and leaves the rest as it was written; a
/// test gets it as that of [`macro@require_session`]. `crate = "path"` is the path of anchor, if it
/// is not `::anchor`.
#[proc_macro_attribute]
pub fn public(arguments: TokenStream, item: TokenStream) -> TokenStream {
    guards::public::expand(arguments.into(), item.into()).into()
}
