//! What the struct asks for in addition to its columns: a limit, and the optional parts of its
//! table.

use proc_macro2::Span;
use syn::spanned::Spanned;

use crate::arguments::Arguments;
use crate::errors::Errors;

pub(super) struct SchemaOptions {
    pub(super) limit: Option<Limit>,
    /// Seconds.
    pub(super) keep_ended: Option<u64>,
    pub(super) track: bool,
    pub(super) fingerprint: bool,
    /// Where it was written, if it was.
    pub(super) cut_off: Option<Span>,
}

pub(super) struct Limit {
    pub(super) max: u32,
    pub(super) refuse: bool,
    /// Where `max_per_subject` was written.
    pub(super) span: Span,
}

impl SchemaOptions {
    pub(super) fn read(arguments: &Arguments, errors: &mut Errors) -> Self {
        Self {
            limit: Limit::read(arguments, errors),
            keep_ended: arguments.seconds("keep_ended").map(|(seconds, _)| seconds),
            track: arguments.name("track").is_some(),
            fingerprint: arguments.name("fingerprint").is_some(),
            cut_off: arguments.name("cut_off").map(Spanned::span),
        }
    }

    /// Returns the columns that these options add to the table, each with the argument that asks
    /// for it.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (
                self.keep_ended.is_some(),
                "keep_ended",
                ["status", "ended_at", "end_reason"].as_slice(),
            ),
            (self.track, "track", &["ip_address", "user_agent"]),
            (self.fingerprint, "fingerprint", &["fingerprint"]),
        ]
        .into_iter()
        .filter(|(wanted, ..)| *wanted)
        .flat_map(|(_, argument, columns)| columns.iter().map(move |column| (*column, argument)))
    }
}

impl Limit {
    fn read(arguments: &Arguments, errors: &mut Errors) -> Option<Self> {
        let on_limit = arguments.text("on_limit");
        let refuse = match on_limit.map(|text| text.value()).as_deref() {
            None | Some("end_oldest") => false,
            Some("refuse") => true,
            Some(_) => {
                errors.at(
                    on_limit,
                    "`on_limit` is \"end_oldest\", the default, or \"refuse\": what a login \
                     above `max_per_subject` does",
                );
                false
            }
        };
        let Some(number) = arguments.number("max_per_subject") else {
            // A limit that cannot be read has already been reported.
            if let Some(name) = arguments.name("on_limit")
                && !arguments.is_mentioned("max_per_subject")
            {
                errors.at(
                    name,
                    "`on_limit` says what a login above the limit does, but there is no limit; \
                     add `max_per_subject = 5`",
                );
            }
            return None;
        };
        let span = arguments.name("max_per_subject").map_or(number.span(), Spanned::span);
        match number.base10_parse() {
            Ok(0) => errors.at(
                number,
                "a subject that may have no session cannot log in; write `max_per_subject = 1` or \
                 more",
            ),
            Ok(max) => return Some(Self { max, refuse, span }),
            Err(_) => errors.at(
                number,
                "`max_per_subject` is a whole number of at most 4294967295: `max_per_subject = 5`",
            ),
        }
        None
    }
}
