//! The procedural macros of anchor. Use them through the `anchor` crate, which re-exports them.
//!
//! The macros parse, check and name things; the work is done by ordinary functions of anchor, which
//! the expansions call. They read no file and no environment. Of a struct or handler with several
//! mistakes they report each, at its own token, in one go.

mod arguments;
mod as_written;
mod case;
mod column;
mod duration;
mod errors;
mod guard_arguments;
mod handler;
mod krate;
mod located;
mod logout;
mod public;
mod require_session;
mod session_data;
#[cfg(test)]
mod snapshots;
mod suggest;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct the payload of a session: its columns, its lifetime, its cookie, and an axum
/// extractor.
///
/// ```ignore
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
/// ```
///
/// Beside the struct stands a test, `anchor_migrations_<struct>`, that fails when the struct and
/// its migrations disagree. Rust collects tests from modules alone: for a struct in a function's
/// body the compiler warns of `cannot test inner items`; write `migrations = false` there.
///
/// The struct has named fields, no generics, and is `Clone`. A handler may take it as an argument
/// (401 without a session) or as `Option<UserSession>` (`None` without a session); the handler gets
/// a copy.
///
/// # On the struct
///
/// | `#[session(..)]` | meaning | without it |
/// | --- | --- | --- |
/// | `table = "sessions"` | the table's name; `"schema.table"` where the database has schemas. Tokens are bound to it: another name ends all sessions | the struct's name in `snake_case` |
/// | `idle = "2h"` | a session ends when it is not used for this long | `"2h"` |
/// | `absolute = "14d"` | a session ends this long after its login, used or not; at least `idle` | `"14d"` |
/// | `cookie = "__Host-id"` | the cookie's name, another one for each payload of a process | the frontend's default |
/// | `max_per_subject = 5` | how many live sessions a subject has at most, whatever logs in at once; needs a `subject` | any number |
/// | `on_limit = "refuse"` | what a login beyond it does: `"refuse"` refuses it, `"end_oldest"` ends the oldest sessions | `"end_oldest"` |
/// | `keep_ended = "30d"` | ended sessions stay in the table for this long, with how, when and why they ended, for `history` | they are removed |
/// | `track` | the table has the address and the user agent of the latest use | it has neither |
/// | `fingerprint` | the table has a hash of what the session is bound to | it has none |
/// | `cut_off` | a subject can be cut off: also logins that have begun, and are yet to be created, end. A table `<table>_cut_offs` comes with it, and one more statement a login; needs a `subject` | not |
/// | `renamed_from = "old"` | what the table was called before, for migrations | |
/// | `migrations = "folder"` | where the struct's migrations are, seen from its package; `migrations = false` leaves out the test that holds them to the struct | `migrations` |
/// | `crate = "path"` | where anchor is, when it is not `::anchor` | `::anchor` |
///
/// Durations are whole seconds, minutes, hours, days or weeks, the largest first: `"30s"`, `"10m"`,
/// `"2h"`, `"14d"`, `"1w"`, `"1h30m"`; at most 100 years.
///
/// # On a field
///
/// A field is one column. Its type implements `Column`: `String`, `bool`, `i16`, `i32`, `i64`,
/// `u8`, `u16`, `u32`, `f32`, `f64`, `Vec<u8>`, `Uuid`, `IpAddr`, date-times of the features
/// `time`, `chrono` and `jiff`, what derives `Column`, and `Option` of all these.
///
/// | `#[session(..)]` | meaning |
/// | --- | --- |
/// | `subject` | whose session it is: indexed, listable, revocable; one field at most, and no `Option` |
/// | `role` | what `role = ..` in `#[require_session]` compares with; one field at most |
/// | `json` | stored as JSON through serde, whatever the type |
/// | `skip` | not stored: `Default::default()` when a session is loaded |
/// | `default = "'member'"` | the column's SQL default, an expression |
/// | `column = "order_id"` | the column's name, in place of the field's; a word of SQL in quotes: `"\"order\""` |
/// | `sql_type = "citext"` | the column's SQL type, in place of the one that follows from the field's |
/// | `index`, `unique` | the column is indexed, or unique |
/// | `references = "users(id)"` | a foreign key; a deleted user is logged out. After it: `on delete cascade` (that default), `on delete restrict`, `on delete set null` |
/// | `renamed_from = "old"` | what the column was called before, for migrations |
/// | `on_change = "end_sessions"` | a change that existing sessions have no value for ends them, in migrations |
#[proc_macro_derive(SessionData, attributes(session))]
pub fn derive_session_data(input: TokenStream) -> TokenStream {
    session_data::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a newtype or a field-less enum a column of a session.
///
/// ```ignore
/// #[derive(Clone, Column)]
/// struct Email(String); // stored as a String is
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
/// A newtype is stored as what it wraps, and read without a check of its own; implement `Column` by
/// hand to have one. An enum is text, held to its variants by a `CHECK`.
///
/// | `#[column(..)]` | where | meaning |
/// | --- | --- | --- |
/// | `rename_all = ".."` | enum | `snake_case` (the default), `kebab-case`, `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`, `SCREAMING_SNAKE_CASE` |
/// | `rename = ".."` | variant | this variant's stored name |
/// | `crate = "path"` | type | where anchor is, when it is not `::anchor` |
#[proc_macro_derive(Column, attributes(column))]
pub fn derive_column(input: TokenStream) -> TokenStream {
    column::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Guards a handler: it runs only for a request with a live session.
///
/// ```ignore
/// #[require_session(UserSession)]
/// async fn me(session: Session<UserSession>) -> Json<Me> { .. }
///
/// #[require_session(UserSession, when = UserSession::is_admin, fresh = "10m")]
/// async fn delete_account() -> StatusCode { .. }
/// ```
///
/// A request without one gets 401, before any other extractor runs and before the body is read;
/// when the store cannot answer, 503.
///
/// | argument | meaning | otherwise |
/// | --- | --- | --- |
/// | a type, first | the session's type | that of an argument `Session<T>`; else a bare guard, as below |
/// | `when = path_or_closure` | `fn(&T) -> bool` must say yes | 403 |
/// | `policy = Type` | `impl Policy<T> for Type`, or a tuple of such types, must allow it | 403 |
/// | `fresh = "10m"` | the subject proved who they are at most this long ago | 403, with a code of its own |
/// | `role = Role::Admin` | the field marked `#[session(role)]` must have this value | 403 |
/// | `redirect = "/login"` | a browser's `GET` or `HEAD` without a session is sent to this page with 303, and a `?next=` that `anchor::Next` reads back | |
/// | `crate = "path"` | where anchor is, when it is not `::anchor` | |
///
/// `when`, `policy`, `role` and `fresh` are asked in the order in which they are written, and need
/// the session's type.
///
/// Write the type. A bare `#[require_session]`, without a `Session<T>` among the arguments, takes
/// any session that the route has a layer for. It is for applications of one payload:
/// `anchor::routing` does not take it, and once the process has built managers of two payloads it
/// answers every request with 500, because a layer lost in a refactoring would otherwise let a
/// user's session open an administrator's page.
///
/// `redirect` answers requests that name HTML in `Accept`, as browsers' navigations do; others get
/// their 401, so that a script is not handed a page and a `POST` is not repeated. A session that is
/// not `fresh` goes to the page as well, with `&reason=reauthentication_required`: there the page
/// has to ask for the password although there is a session. Where a policy says no it stays 403,
/// for logging in would not help.
///
/// The macro inserts one first argument, without a name, and leaves the rest as it was written.
/// `when`, `role` and `redirect` also put a type beside the handler, so inside an `impl` block the
/// compiler says "struct is not supported in `trait`s or `impl`s": write `policy = Type` there, or
/// make the handler a free function. With `#[debug_handler]`, put `#[require_session]` above it:
///
/// ```ignore
/// #[require_session(UserSession)]
/// #[debug_handler]
/// async fn me(session: Session<UserSession>) -> Json<Me> { .. }
/// ```
#[proc_macro_attribute]
pub fn require_session(arguments: TokenStream, item: TokenStream) -> TokenStream {
    require_session::expand(arguments.into(), item.into()).into()
}

/// Ends the request's session before the handler runs.
///
/// ```ignore
/// #[logout(UserSession)]
/// async fn logout() -> Redirect {
///     Redirect::to("/")
/// }
///
/// let app = Router::new().route("/logout", post(logout));
/// ```
///
/// When the body runs, the session's row is gone, and the response removes the cookie. A logout
/// that the store could not carry out is answered with 503, and the body does not run. A request
/// without a session is let through: a logout may be repeated. For that reason it does not go with
/// `#[require_session]`.
///
/// | written | ends |
/// | --- | --- |
/// | `#[logout(UserSession)]` | the request's session |
/// | `#[logout(UserSession, all)]` | every session of its subject, this one included; 401 with the token of an ended session |
/// | `#[logout(UserSession, others)]` | every session of its subject but this one, which must live: 401 otherwise |
///
/// `GET`, `HEAD`, `OPTIONS` and `TRACE` are answered with 405 and end nothing, wherever the handler
/// is routed: a link, an image or a prefetch on another site could send them. To end a session by
/// `GET` all the same, call `auth.logout()` in a handler of your own.
///
/// Without a type the session is that of an argument `Session<T>` or `Auth<T>`; else the logout is
/// bare, with the limits of a bare [`macro@require_session`]. `crate = "path"` says where anchor
/// is, when it is not `::anchor`.
///
/// The macro inserts one first argument, without a name, and leaves the rest as it was written.
/// `#[debug_handler]` goes below.
#[proc_macro_attribute]
pub fn logout(arguments: TokenStream, item: TokenStream) -> TokenStream {
    logout::expand(arguments.into(), item.into()).into()
}

/// Declares a handler open: anyone may call it.
///
/// ```ignore
/// #[public]
/// async fn home() -> &'static str {
///     "welcome"
/// }
/// ```
///
/// It changes nothing but one thing: the routing functions of `anchor::routing` take the handler,
/// which they refuse when it declares no policy.
///
/// The macro inserts one first argument, without a name, and leaves the rest as it was written.
/// `crate = "path"` says where anchor is, when it is not `::anchor`.
#[proc_macro_attribute]
pub fn public(arguments: TokenStream, item: TokenStream) -> TokenStream {
    public::expand(arguments.into(), item.into()).into()
}
