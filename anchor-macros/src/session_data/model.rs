//! The struct as a typed model. It keeps the user's tokens for the errors that the checks report.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, FieldsNamed, LitStr, Type};

use super::known_arguments;
use super::reference::Reference;
use super::schema_options::SchemaOptions;
use super::sql_name::SqlName;
use crate::arguments::Arguments;
use crate::case;
use crate::errors::Errors;

const DEFAULT_IDLE: u64 = 2 * 60 * 60;
const DEFAULT_ABSOLUTE: u64 = 14 * 24 * 60 * 60;

pub(super) struct Payload {
    pub(super) ident: Ident,
    /// One part, or two with a schema.
    pub(super) table: Vec<SqlName>,
    pub(super) renamed_from: Option<SqlName>,
    pub(super) idle: Lifetime,
    pub(super) absolute: Lifetime,
    pub(super) cookie: Option<LitStr>,
    pub(super) migrations: Migrations,
    pub(super) options: SchemaOptions,
    pub(super) fields: Vec<Field>,
}

/// Where the struct's migrations are.
pub(super) enum Migrations {
    /// `migrations = false`: the struct has no migrations.
    None,
    /// In this folder, or in the default folder.
    In(Option<LitStr>),
}

/// A lifetime in seconds, and where it was written. A default was not written anywhere.
pub(super) struct Lifetime {
    pub(super) seconds: u64,
    pub(super) written: Option<Span>,
}

pub(super) struct Field {
    pub(super) ident: Ident,
    pub(super) ty: Type,
    pub(super) stored: Stored,
}

pub(super) enum Stored {
    /// `skip`: filled with `Default::default()`.
    No,
    Column(Box<Column>),
}

pub(super) struct Column {
    pub(super) name: SqlName,
    pub(super) json: bool,
    /// Where `subject` was written, if it was.
    pub(super) subject: Option<Span>,
    /// Where `role` was written, if it was.
    pub(super) role: Option<Span>,
    /// Where `impersonator` was written, if it was.
    pub(super) impersonator: Option<Span>,
    pub(super) default: Option<LitStr>,
    pub(super) sql_type: Option<LitStr>,
    pub(super) references: Option<Reference>,
    pub(super) unique: bool,
    pub(super) index: bool,
    pub(super) renamed_from: Option<SqlName>,
    pub(super) end_sessions: bool,
}

impl Payload {
    /// Reads the struct. Returns `None` and adds an error if it is of a kind that cannot be a
    /// payload.
    pub(super) fn read(
        input: &DeriveInput,
        arguments: &Arguments,
        errors: &mut Errors,
    ) -> Option<Self> {
        refuse_generics(input, errors);
        let fields = named_fields(input, errors)?;
        let table = match arguments.text("table") {
            Some(text) => SqlName::parse_path(&text.value(), text.span()),
            None => {
                let name = case::snake(&input.ident.unraw().to_string());
                vec![SqlName { text: name, quoted: false, span: input.ident.span() }]
            }
        };
        let absolute = Lifetime::new(arguments.seconds("absolute"), DEFAULT_ABSOLUTE);
        Some(Self {
            ident: input.ident.clone(),
            table,
            renamed_from: name(arguments.text("renamed_from")),
            idle: Lifetime::new(arguments.seconds("idle"), DEFAULT_IDLE.min(absolute.seconds)),
            absolute,
            cookie: arguments.text("cookie").cloned(),
            migrations: match (arguments.name("migrations"), arguments.text("migrations")) {
                (Some(_), None) => Migrations::None,
                (_, folder) => Migrations::In(folder.cloned()),
            },
            options: SchemaOptions::read(arguments, errors),
            fields: fields.named.iter().map(|field| Field::read(field, errors)).collect(),
        })
    }

    /// Returns the columns, in the struct's order.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&Field, &Column)> {
        self.fields.iter().filter_map(|field| match &field.stored {
            Stored::No => None,
            Stored::Column(column) => Some((field, &**column)),
        })
    }
}

fn refuse_generics(input: &DeriveInput, errors: &mut Errors) {
    let generics = &input.generics;
    if !generics.params.is_empty() {
        errors.at(
            generics,
            "a session's struct cannot be generic: it is one table; use owned, concrete types, \
             such as `String` instead of `&'a str`",
        );
    } else if let Some(clause) = &generics.where_clause {
        errors.at(clause, "a session's struct cannot have a `where` clause; remove it");
    }
}

fn named_fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Option<&'a FieldsNamed> {
    const EXAMPLE: &str = "write `struct UserSession { user_id: Uuid }`";
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(fields),
            Fields::Unnamed(fields) => errors.at(
                fields,
                format_args!(
                    "a session's fields need names, because they become columns; {EXAMPLE}"
                ),
            ),
            Fields::Unit => errors.at(
                &input.ident,
                format_args!("a session without fields stores nothing; {EXAMPLE}"),
            ),
        },
        Data::Enum(data) => errors.at(
            data.enum_token,
            "`SessionData` is for structs with named fields; for an enum that is one column, use \
             `#[derive(Column)]`",
        ),
        Data::Union(data) => {
            errors.at(data.union_token, "`SessionData` is for structs with named fields");
        }
    }
    None
}

impl Lifetime {
    fn new(written: Option<(u64, Span)>, default: u64) -> Self {
        match written {
            Some((seconds, span)) => Self { seconds, written: Some(span) },
            None => Self { seconds: default, written: None },
        }
    }
}

impl Field {
    fn read(field: &syn::Field, errors: &mut Errors) -> Self {
        let arguments = known_arguments::of_field(&field.attrs, errors);
        refuse_contradictions(&arguments, errors);
        let ident = field.ident.clone().expect("the fields are named");
        let stored = match arguments.name("skip") {
            Some(_) => Stored::No,
            None => Stored::Column(Box::new(Column::read(&ident, &arguments, errors))),
        };
        Self { ident, ty: field.ty.clone(), stored }
    }
}

/// Reports arguments that cannot be combined, and why.
fn refuse_contradictions(arguments: &Arguments, errors: &mut Errors) {
    const PAIRS: &[(&str, &str, &str)] = &[
        (
            "json",
            "subject",
            "a subject is looked up by its value, and JSON can write a value in several forms",
        ),
        ("json", "unique", "databases cannot compare JSON"),
        ("json", "index", "databases cannot compare JSON"),
        ("json", "references", "a foreign key compares values, and databases cannot compare JSON"),
        ("subject", "index", "a subject is always indexed"),
        ("unique", "index", "a unique column is always indexed"),
    ];
    if let Some(skip) = arguments.name("skip") {
        for other in arguments.names().filter(|other| *other != skip) {
            errors.at(
                other,
                format_args!("`{other}` has no meaning with `skip`: a skipped field has no column"),
            );
        }
        return;
    }
    for (one, other, reason) in PAIRS {
        if let (Some(_), Some(other)) = (arguments.name(one), arguments.name(other)) {
            errors.at(
                other,
                format_args!("`{other}` does not go with `{one}`: {reason}; remove one"),
            );
        }
    }
}

impl Column {
    fn read(ident: &Ident, arguments: &Arguments, errors: &mut Errors) -> Self {
        let name = name(arguments.text("column")).unwrap_or_else(|| SqlName {
            text: ident.unraw().to_string(),
            quoted: false,
            span: ident.span(),
        });
        let references =
            arguments.text("references").and_then(|text| errors.take(Reference::parse(text)));
        Self {
            name,
            json: arguments.name("json").is_some(),
            subject: arguments.name("subject").map(Spanned::span),
            role: arguments.name("role").map(Spanned::span),
            impersonator: arguments.name("impersonator").map(Spanned::span),
            default: arguments.text("default").cloned(),
            sql_type: arguments.text("sql_type").cloned(),
            references,
            unique: arguments.name("unique").is_some(),
            index: arguments.name("index").is_some(),
            renamed_from: self::name(arguments.text("renamed_from")),
            end_sessions: ends_sessions(arguments.text("on_change"), errors),
        }
    }
}

fn ends_sessions(on_change: Option<&LitStr>, errors: &mut Errors) -> bool {
    let Some(text) = on_change else { return false };
    let known = text.value() == "end_sessions";
    if !known {
        errors.at(text, "`on_change` takes one value: `on_change = \"end_sessions\"`");
    }
    known
}

fn name(text: Option<&LitStr>) -> Option<SqlName> {
    text.map(|text| SqlName::parse(&text.value(), text.span()))
}
