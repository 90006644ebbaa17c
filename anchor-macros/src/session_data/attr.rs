//! What `#[session(..)]` knows, on a struct and on a field.

use syn::Attribute;

use crate::arguments::{Arguments, Known, Place};
use crate::errors::Errors;

const ON_STRUCT: &[Known] = &[
    Known::new("table", "table = \"sessions\""),
    Known::new("idle", "idle = \"2h\""),
    Known::new("absolute", "absolute = \"14d\""),
    Known::new("cookie", "cookie = \"__Host-id\""),
    Known::new("max_per_subject", "max_per_subject = 5"),
    Known::new("overflow", "overflow = \"refuse\""),
    Known::new("keep_ended", "keep_ended = \"30d\""),
    Known::new("track", "track"),
    Known::new("fingerprint", "fingerprint"),
    Known::new("cut_off", "cut_off"),
    Known::new("renamed_from", "renamed_from = \"old_name\""),
    Known::new("migrations", "migrations = false"),
    Known::new("crate", "crate = \"my_crate::anchor\""),
];

const ON_FIELD: &[Known] = &[
    Known::new("subject", "subject"),
    Known::new("role", "role"),
    Known::new("json", "json"),
    Known::new("default", "default = \"'member'\""),
    Known::new("column", "column = \"user_id\""),
    Known::new("sql_type", "sql_type = \"citext\""),
    Known::new("index", "index"),
    Known::new("unique", "unique"),
    Known::new("references", "references = \"users(id)\""),
    Known::new("skip", "skip"),
    Known::new("renamed_from", "renamed_from = \"old_name\""),
    Known::new("on_change", "on_change = \"end_sessions\""),
];

pub(super) fn of_struct(attributes: &[Attribute], errors: &mut Errors) -> Arguments {
    let place =
        Place { attribute: "session", known: ON_STRUCT, elsewhere: &[("a field", ON_FIELD)] };
    Arguments::read(attributes, &place, errors)
}

pub(super) fn of_field(attributes: &[Attribute], errors: &mut Errors) -> Arguments {
    let place =
        Place { attribute: "session", known: ON_FIELD, elsewhere: &[("the struct", ON_STRUCT)] };
    Arguments::read(attributes, &place, errors)
}
