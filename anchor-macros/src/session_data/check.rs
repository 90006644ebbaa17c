//! Checks a payload after it has been read: every database accepts its names, no two names are the
//! same, and its lifetimes make sense.

use proc_macro2::{Ident, Span};
use syn::Error;

use super::model::{Column, Payload};
use super::sql_name::SqlName;
use crate::errors::Errors;
use crate::suggest;

/// The columns that every session's table has.
const SYSTEM_COLUMNS: &[&str] = &[
    "id",
    "lasting_hash",
    "secret_hash",
    "previous_secret_hash",
    "previous_secret_until",
    "rotation_state",
    "created_at",
    "authenticated_at",
    "last_seen_at",
    "expires_at",
    "deadline",
    "version",
    "remembered",
];

pub(super) fn check(payload: &Payload, errors: &mut Errors) {
    table(payload, errors);
    lifetimes(payload, errors);
    cookie(payload, errors);
    one_subject(payload, errors);
    one_role(payload, errors);
    one_impersonator(payload, errors);
    subject_of_options(payload, errors);
    columns(payload, errors);
}

fn table(payload: &Payload, errors: &mut Errors) {
    let example = "#[session(table = \"sessions\")]";
    path(&payload.table, "table", errors, |name| {
        format!(
            "`{name}` is a word of SQL; name the table with `{example}`, or quote it: `table = \
             \"\\\"{name}\\\"\"`"
        )
    });
    if let Some(old) = &payload.renamed_from {
        fault(old, errors);
    }
}

/// Checks the parts of a table's path, of which there are at most two.
fn path(parts: &[SqlName], what: &str, errors: &mut Errors, reserved: impl Fn(&str) -> String) {
    if parts.len() > 2 {
        let message = format!("a {what} is `table` or `schema.table`");
        return errors.push(Error::new(parts[0].span, message));
    }
    for part in parts {
        if part.quoted && part.text.contains('.') {
            let message = format!("a {what} whose quoted name has a dot is not supported");
            errors.push(Error::new(part.span, message));
        } else if fault(part, errors) {
            return;
        } else if part.is_reserved() {
            errors.push(Error::new(part.span, reserved(&part.text)));
        }
    }
}

/// Reports a name that no database accepts. Returns whether it reported one.
fn fault(name: &SqlName, errors: &mut Errors) -> bool {
    let fault = name.fault();
    let faulty = fault.is_some();
    if let Some(fault) = fault {
        errors.push(Error::new(name.span, fault));
    }
    faulty
}

fn lifetimes(payload: &Payload, errors: &mut Errors) {
    let (idle, absolute) = (&payload.idle, &payload.absolute);
    // Without `idle`, it is at most `absolute`.
    let Some(span) = idle.written else { return };
    if idle.seconds > absolute.seconds {
        let defaulted = match absolute.written {
            None => " (`absolute` is \"14d\" by default)",
            Some(_) => "",
        };
        errors.push(Error::new(
            span,
            format_args!(
                "`idle` is longer than `absolute`, so it would never end a session; shorten \
                 `idle` or lengthen `absolute`{defaulted}"
            ),
        ));
    }
}

/// RFC 6265 4.1.1: a cookie's name is a token of RFC 2616.
fn cookie(payload: &Payload, errors: &mut Errors) {
    let Some(name) = &payload.cookie else { return };
    let text = name.value();
    let allowed = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c);
    if let Some(wrong) = text.chars().find(|c| !allowed(*c)) {
        errors.at(
            name,
            format_args!(
                "a cookie's name cannot contain {wrong:?}; letters, digits and `-_.` are safe: \
                 `cookie = \"__Host-id\"`"
            ),
        );
    }
}

fn one_subject(payload: &Payload, errors: &mut Errors) {
    at_most_one(
        payload,
        |column| column.subject,
        errors,
        |first| format!("`{first}` is already the subject; a session belongs to one subject"),
    );
}

fn one_role(payload: &Payload, errors: &mut Errors) {
    at_most_one(
        payload,
        |column| column.role,
        errors,
        |first| {
            format!(
                "`{first}` is already the role; keep one `#[session(role)]`, and check the other \
             field with `when = ..`"
            )
        },
    );
}

fn one_impersonator(payload: &Payload, errors: &mut Errors) {
    at_most_one(
        payload,
        |column| column.impersonator,
        errors,
        |first| {
            format!("`{first}` is already the impersonator; keep one `#[session(impersonator)]`")
        },
    );
}

/// Reports each field after the first one that is marked.
fn at_most_one(
    payload: &Payload,
    mark: impl Fn(&Column) -> Option<Span>,
    errors: &mut Errors,
    message: impl Fn(&Ident) -> String,
) {
    let mut marked = payload
        .columns()
        .filter_map(|(field, column)| mark(column).map(|span| (&field.ident, span)));
    let Some((first, _)) = marked.next() else { return };
    for (_, span) in marked {
        errors.push(Error::new(span, message(first)));
    }
}

/// Checks that a payload with an option that depends on the subject has a subject.
fn subject_of_options(payload: &Payload, errors: &mut Errors) {
    if payload.columns().any(|(_, column)| column.subject.is_some()) {
        return;
    }
    let options = &payload.options;
    let limit = options.limit.as_ref().map(|limit| limit.span);
    for (name, does, span) in [
        ("max_per_subject", "counts the sessions of a subject", limit),
        ("cut_off", "ends the sessions of a subject", options.cut_off),
    ] {
        if let Some(span) = span {
            let message = format!(
                "`{name}` {does}, but no field is the subject; mark the field that says whose \
                 session it is with `#[session(subject)]`"
            );
            errors.push(Error::new(span, message));
        }
    }
}

fn columns(payload: &Payload, errors: &mut Errors) {
    if payload.columns().next().is_none() {
        let message = if payload.fields.is_empty() {
            "a session without fields stores nothing; add one, such as `user_id: Uuid`"
        } else {
            "every field is skipped, so the session stores nothing; remove a `skip`"
        };
        errors.push(Error::new(payload.ident.span(), message));
    }
    let mut seen: Vec<(String, String)> = Vec::new();
    for (field, column) in payload.columns() {
        // MySQL and SQLite treat `Name` and `name` as the same column.
        let name = column.name.text.to_lowercase();
        let span = column.name.span;
        if !fault(&column.name, errors) {
            one_column(&column.name, &name, span, payload, &mut seen, errors);
        }
        seen.push((name, field.ident.to_string()));
        if let Some(old) = &column.renamed_from
            && !fault(old, errors)
            && old.text == column.name.text
        {
            let message = "this is the column's current name; write its previous name";
            errors.push(Error::new(old.span, message));
        }
        if let Some(reference) = &column.references {
            let reserved = |name: &str| {
                format!(
                    "`{name}` is a word of SQL; quote it: `references = \"\\\"{name}\\\"(..)\"`"
                )
            };
            path(&reference.table, "referenced table", errors, reserved);
            fault(&reference.column, errors);
        }
    }
}

fn one_column(
    column: &SqlName,
    name: &str,
    span: Span,
    payload: &Payload,
    seen: &mut [(String, String)],
    errors: &mut Errors,
) {
    let text = &column.text;
    if SYSTEM_COLUMNS.contains(&name) {
        errors.push(Error::new(
            span,
            format_args!(
                "every session's table has a column `{name}` already; choose another, as \
                 `#[session(column = \"my_{name}\")]` (taken are {})",
                suggest::list(SYSTEM_COLUMNS)
            ),
        ));
    } else if let Some((_, argument)) = payload.options.columns().find(|(taken, _)| *taken == name)
    {
        errors.push(Error::new(
            span,
            format_args!(
                "`#[session({argument})]` gives the table a column `{name}` already; choose \
                 another, as `#[session(column = \"my_{name}\")]`"
            ),
        ));
    } else if let Some((_, field)) = seen.iter().find(|(seen, _)| seen == name) {
        errors.push(Error::new(
            span,
            format_args!(
                "the field `{field}` already has the column `{text}` (databases ignore case); \
                 choose another with `#[session(column = \"..\")]`"
            ),
        ));
    } else if column.is_reserved() {
        errors.push(Error::new(
            span,
            format_args!(
                "`{text}` is a word of SQL; choose another column name, as `#[session(column = \
                 \"{text}_value\")]`, or quote it: `#[session(column = \"\\\"{text}\\\"\")]`"
            ),
        ));
    }
}
