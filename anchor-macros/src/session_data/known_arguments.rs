//! The arguments that `#[session(..)]` knows on a struct and on a field.

use syn::Attribute;

use crate::arguments::{Arguments, Known, Place};
use crate::errors::Errors;
use crate::krate;

const ON_STRUCT: &[Known] = &[
    Known::text("table", "\"sessions\""),
    Known::duration("idle", "\"2h\""),
    Known::duration("absolute", "\"14d\""),
    Known::text("cookie", "\"__Host-id\""),
    Known::number("max_per_subject", "5"),
    Known::text("on_limit", "\"refuse\""),
    Known::duration("keep_ended", "\"30d\""),
    Known::flag("track"),
    Known::flag("fingerprint"),
    Known::flag("cut_off"),
    Known::text("renamed_from", "\"old_name\""),
    Known::text_or_false("migrations", "false"),
    krate::ARGUMENT,
];

const ON_FIELD: &[Known] = &[
    Known::flag("subject"),
    Known::flag("role"),
    Known::flag("json"),
    Known::text("default", "\"'member'\""),
    Known::text("column", "\"user_id\""),
    Known::text("sql_type", "\"citext\""),
    Known::flag("index"),
    Known::flag("unique"),
    Known::text("references", "\"users(id)\""),
    Known::flag("skip"),
    Known::text("renamed_from", "\"old_name\""),
    Known::text("on_change", "\"end_sessions\""),
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
