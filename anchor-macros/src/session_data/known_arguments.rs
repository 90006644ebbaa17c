//! The arguments that `#[session(..)]` knows on a struct and on a field.

use syn::Attribute;

use crate::arguments::{Arguments, Known, Place, Takes};
use crate::errors::Errors;
use crate::krate;

const ON_STRUCT: &[Known] = &[
    Known::new("table", Takes::Text, "\"sessions\""),
    Known::new("idle", Takes::Duration, "\"2h\""),
    Known::new("absolute", Takes::Duration, "\"14d\""),
    Known::new("cookie", Takes::Text, "\"__Host-id\""),
    Known::new("max_per_subject", Takes::Number, "5"),
    Known::new("on_limit", Takes::Text, "\"refuse\""),
    Known::new("keep_ended", Takes::Duration, "\"30d\""),
    Known::flag("track"),
    Known::flag("fingerprint"),
    Known::flag("cut_off"),
    Known::new("renamed_from", Takes::Text, "\"old_name\""),
    Known::new("migrations", Takes::TextOrFalse, "false"),
    krate::ARGUMENT,
];

const ON_FIELD: &[Known] = &[
    Known::flag("subject"),
    Known::flag("role"),
    Known::flag("impersonator"),
    Known::flag("json"),
    Known::new("default", Takes::Text, "\"'member'\""),
    Known::new("column", Takes::Text, "\"user_id\""),
    Known::new("sql_type", Takes::Text, "\"citext\""),
    Known::flag("index"),
    Known::flag("unique"),
    Known::new("references", Takes::Text, "\"users(id)\""),
    Known::flag("skip"),
    Known::new("renamed_from", Takes::Text, "\"old_name\""),
    Known::new("on_change", Takes::Text, "\"end_sessions\""),
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
