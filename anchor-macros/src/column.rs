//! `#[derive(Column)]`: a newtype becomes the column that it wraps, a field-less enum becomes text
//! from a fixed set.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Data, DataEnum, DeriveInput, Fields, Ident, LitStr, Member, Type, Variant};

use crate::arguments::{Arguments, Known, Place, Takes};
use crate::errors::Errors;
use crate::spans::{at, column_item, ends};
use crate::{case, krate, suggest};

const ON_STRUCT: &[Known] = &[krate::ARGUMENT];
const ON_ENUM: &[Known] =
    &[Known::new("rename_all", Takes::Text, "\"snake_case\""), krate::ARGUMENT];
const ON_VARIANT: &[Known] = &[
    Known::new("rename", Takes::Text, "\"member\""),
    Known::new("renamed_from", Takes::Text, "\"old_name\""),
];

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let (known, elsewhere): (_, &[_]) = match input.data {
        Data::Enum(_) => (ON_ENUM, &[("a variant", ON_VARIANT)]),
        _ => (ON_STRUCT, &[("an enum", ON_ENUM), ("an enum's variant", ON_VARIANT)]),
    };
    let place = Place { attribute: "column", known, elsewhere };
    let arguments = Arguments::read(&input.attrs, &place, &mut errors);
    let private = krate::private(arguments.text("crate"), at(input.ident.span()), &mut errors);
    if !input.generics.params.is_empty() {
        errors.at(
            &input.generics,
            "`#[derive(Column)]` is for types without generics; implement `Column` by hand for \
             this one",
        );
    }
    let column = match &input.data {
        Data::Struct(data) => newtype(input, &data.fields, &private, &mut errors),
        Data::Enum(data) => enumeration(input, data, &arguments, &private, &mut errors),
        Data::Union(data) => {
            errors.at(data.union_token, "`#[derive(Column)]` is for newtypes and field-less enums");
            None
        }
    };
    match (errors.finish(), column) {
        (Ok(()), Some(column)) => quote!(const _: () = { #column };),
        (result, _) => {
            let error = result.err().map(|error| error.to_compile_error());
            let fallback = fallback(input, &private);
            quote!(#error #fallback)
        }
    }
}

// Input:
//     struct Email(String);
//
// Output:
//     impl Column for Email { .. }, which calls that of `String`
fn newtype(
    input: &DeriveInput,
    fields: &Fields,
    private: &TokenStream,
    errors: &mut Errors,
) -> Option<TokenStream> {
    let mut members = fields.members().zip(fields);
    let (Some((member, field)), None) = (members.next(), members.next()) else {
        let message = "a struct that is one column wraps one value, such as `struct \
                       Email(String);`; for several values, mark the session's field \
                       `#[session(json)]`";
        match fields {
            Fields::Unit => errors.at(&input.ident, message),
            fields => errors.at(fields, message),
        }
        return None;
    };
    let place = Place {
        attribute: "column",
        known: &[],
        elsewhere: &[("the struct", ON_STRUCT), ("an enum's variant", ON_VARIANT)],
    };
    Arguments::read(&field.attrs, &place, errors);
    Some(newtype_column(&input.ident, &member, &field.ty, private))
}

fn newtype_column(ident: &Ident, member: &Member, ty: &Type, private: &TokenStream) -> TokenStream {
    let [type_, nullable, variants, range, to_value, from_value] =
        ["TYPE", "NULLABLE", "RENAMED_VARIANTS", "RANGE", "to_value", "from_value"]
            .map(|item| column_item(ty, private, item));
    // Located at the type, because the type is the mistake when the newtype cannot be a column.
    let (first, last) = ends(ty);
    let newtype = quote_spanned!(first=> #private::newtype);
    let newtype = quote_spanned!(last=> #newtype(#type_, #nullable));
    let to_value = quote_spanned!(last=> #to_value(&self.#member));
    quote! {
        #[allow(unused_qualifications)]
        #[automatically_derived]
        impl #private::Column for #ident {
            const TYPE: #private::ColumnType = #newtype;
            const RENAMED_VARIANTS: &'static [(&'static str, &'static str)] = #variants;
            const RANGE: ::core::option::Option<(i64, i64)> = #range;

            fn to_value(&self) -> ::core::result::Result<#private::Value, #private::ColumnError> {
                #to_value
            }

            fn from_value(
                value: #private::Value,
            ) -> ::core::result::Result<Self, #private::ColumnError> {
                ::core::result::Result::Ok(Self { #member: #from_value(value)? })
            }
        }
    }
}

// Input:
//     enum Role { Member, #[column(rename = "boss")] Admin }
//
// Output:
//     impl Column for Role { .. }, stored as text: "member" or "boss"
fn enumeration(
    input: &DeriveInput,
    data: &DataEnum,
    arguments: &Arguments,
    private: &TokenStream,
    errors: &mut Errors,
) -> Option<TokenStream> {
    if data.variants.is_empty() {
        errors.at(&input.ident, "an enum without variants has no values to store; add one");
        return None;
    }
    let case = rename_all(arguments.text("rename_all"), errors);
    let mut names: Vec<(String, &Ident)> = Vec::new();
    let mut renamed: Vec<(LitStr, String)> = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            errors.at(
                &variant.fields,
                "a column's enum has no fields in its variants; for this one, mark the session's \
                 field `#[session(json)]`",
            );
        }
        let Name { name, written, before } = variant_name(variant, &case, errors);
        if let Some((_, other)) = names.iter().find(|(taken, _)| *taken == name) {
            errors.at(
                written,
                format_args!(
                    "`{other}` is already stored as \"{name}\"; give one of them another name \
                     with `#[column(rename = \"..\")]`"
                ),
            );
        }
        if let Some(before) = before {
            if before.value() == name {
                errors.at(&before, "this is the variant's current name; write its previous name");
            } else if renamed.iter().any(|(other, _)| other.value() == before.value()) {
                errors.at(
                    &before,
                    "two variants give this as their previous name; remove `renamed_from` from one",
                );
            }
            renamed.push((before, name.clone()));
        }
        names.push((name, &variant.ident));
    }
    Some(enum_column(&input.ident, &names, &renamed, private))
}

fn rename_all(written: Option<&LitStr>, errors: &mut Errors) -> String {
    let Some(text) = written else { return "snake_case".to_owned() };
    let case = text.value();
    if case::apply(&case, "").is_none() {
        errors.at(text, format_args!("unknown case; known are {}", suggest::list(case::CASES)));
        return "snake_case".to_owned();
    }
    case
}

/// What a variant is stored as.
struct Name {
    name: String,
    /// Where the name was written.
    written: TokenStream,
    /// The value of `renamed_from`.
    before: Option<LitStr>,
}

fn variant_name(variant: &Variant, case: &str, errors: &mut Errors) -> Name {
    let place =
        Place { attribute: "column", known: ON_VARIANT, elsewhere: &[("the enum", ON_ENUM)] };
    let arguments = Arguments::read(&variant.attrs, &place, errors);
    let ident = variant.ident.unraw().to_string();
    let before = arguments.text("renamed_from").cloned();
    for text in arguments.text("rename").into_iter().chain(&before) {
        if text.value().chars().any(char::is_control) {
            errors.at(text, "a stored name cannot contain control characters");
        }
    }
    let (name, written) = match arguments.text("rename") {
        Some(text) => (text.value(), text.to_token_stream()),
        None => {
            (case::apply(case, &ident).expect("the case is known"), variant.ident.to_token_stream())
        }
    };
    Name { name, written, before }
}

fn enum_column(
    ident: &Ident,
    names: &[(String, &Ident)],
    renamed: &[(LitStr, String)],
    private: &TokenStream,
) -> TokenStream {
    let renamed = (!renamed.is_empty()).then(|| {
        let pairs = renamed.iter().map(|(before, name)| quote!((#before, #name)));
        quote! {
            const RENAMED_VARIANTS: &'static [(&'static str, &'static str)] = &[#(#pairs),*];
        }
    });
    let (texts, variants): (Vec<_>, Vec<_>) =
        names.iter().map(|(text, ident)| (text, *ident)).unzip();
    quote! {
        #[automatically_derived]
        impl #private::Column for #ident {
            const TYPE: #private::ColumnType = #private::ColumnType::Enum(&[#(#texts),*]);
            #renamed

            fn to_value(&self) -> ::core::result::Result<#private::Value, #private::ColumnError> {
                ::core::result::Result::Ok(#private::variant_to_value(match self {
                    #(Self::#variants => #texts,)*
                }))
            }

            fn from_value(
                value: #private::Value,
            ) -> ::core::result::Result<Self, #private::ColumnError> {
                match #private::variant_from_value(&value)? {
                    #(#texts => ::core::result::Result::Ok(Self::#variants),)*
                    _ => ::core::result::Result::Err(
                        #private::unknown_variant(<Self as #private::Column>::TYPE),
                    ),
                }
            }
        }
    }
}

/// Generates a stub implementation, so that structs that use a type with mistakes do not report
/// further errors.
fn fallback(input: &DeriveInput, private: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let (impl_generics, type_generics, clause) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #impl_generics #private::Column for #ident #type_generics #clause {
                const TYPE: #private::ColumnType = #private::ColumnType::Text;

                fn to_value(
                    &self,
                ) -> ::core::result::Result<#private::Value, #private::ColumnError> {
                    ::core::unreachable!()
                }

                fn from_value(
                    _: #private::Value,
                ) -> ::core::result::Result<Self, #private::ColumnError> {
                    ::core::unreachable!()
                }
            }
        };
    }
}
