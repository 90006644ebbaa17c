//! Generates the implementations for a payload: thin calls into `anchor::__private`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Generics, parse_quote};

use super::default;
use super::model::{Column, Field, Migrations, Payload, Stored};
use super::reference::{OnDelete, Reference};
use super::schema_options::{Limit, SchemaOptions};
use super::sql_name::SqlName;
use crate::spans::{at, column_item, ends, generated, moved};

// Input:
//     struct UserSession { #[session(subject)] user_id: Uuid, #[session(json)] cart: Vec<Item> }
//
// Output:
//     impl SessionData for UserSession { .. }
//     impl HasRole for UserSession { .. }, if a field is marked `role`
//     impl CutOff for UserSession {}, if the struct has `cut_off`
//     impl<S> FromRequestParts<S> for UserSession { .. }
//     impl<S> OptionalFromRequestParts<S> for UserSession { .. }
//     described_extractor! { .. }, which is empty without anchor's feature `aide`
//     mod anchor_migrations_UserSession { .. }, a test, unless the struct has `migrations = false`
pub(super) fn expand(payload: &Payload, private: &TokenStream) -> TokenStream {
    let ident = generated(&payload.ident);
    let session_data = session_data(payload, &ident, private);
    let role = payload
        .columns()
        .find(|(_, column)| column.role.is_some())
        .map(|(field, _)| has_role(&ident, field, private));
    let cut_off = payload.options.cut_off.map(|_| {
        quote! {
            #[automatically_derived]
            impl #private::CutOff for #ident {}
        }
    });
    let bodies = ["extract", "extract_optional"].map(|name| {
        let extract = Ident::new(name, ident.span());
        quote_spanned!(ident.span()=> #private::#extract::<Self>(parts).await)
    });
    let extractors = extractors(&ident, &Generics::default(), None, bodies, private);
    let migrations_test = migrations_test(payload, private);
    quote! {
        const _: () = {
            #session_data
            #role
            #cut_off
            #extractors
        };
        #migrations_test
    }
}

/// Generates the test next to the struct and not in the constant, because Rust only collects tests
/// from modules.
fn migrations_test(payload: &Payload, private: &TokenStream) -> Option<TokenStream> {
    let folder = match &payload.migrations {
        Migrations::None => return None,
        Migrations::In(Some(folder)) => quote!(::core::option::Option::Some(#folder)),
        Migrations::In(None) => quote!(::core::option::Option::None),
    };
    let ident = &payload.ident;
    let name = format_ident!("anchor_migrations_{}", ident.unraw(), span = Span::call_site());
    Some(quote!(#private::migrations_test! { #name, #ident, #folder }))
}

fn session_data(payload: &Payload, ident: &Ident, private: &TokenStream) -> TokenStream {
    let subject = payload.columns().find(|(_, column)| column.subject.is_some());
    let subject_type = match subject {
        Some((field, _)) => field.ty.to_token_stream(),
        None => quote!(#private::NoSubject),
    };
    let subject_value = match subject {
        Some((Field { ident, .. }, _)) => quote!(::core::option::Option::Some(&self.#ident)),
        None => quote!(::core::option::Option::None),
    };
    let (idle, absolute) = (payload.idle.seconds, payload.absolute.seconds);
    let cookie = payload.cookie.as_ref().map(|name| {
        quote! {
            const COOKIE: ::core::option::Option<&'static str> =
                ::core::option::Option::Some(#name);
        }
    });
    let limit = payload.options.limit.as_ref().map(|Limit { max, refuse, .. }| {
        let on_limit = if *refuse { quote!(Refuse) } else { quote!(EndOldest) };
        quote! {
            const LIMIT: ::core::option::Option<#private::SubjectLimit> =
                ::core::option::Option::Some(
                    #private::SubjectLimit::new(#max, #private::LimitExceeded::#on_limit),
                );
        }
    });
    let keep_ended = payload.options.keep_ended.map(|seconds| {
        quote! {
            const KEEP_ENDED: ::core::option::Option<::core::time::Duration> =
                ::core::option::Option::Some(::core::time::Duration::from_secs(#seconds));
        }
    });
    let impersonator = payload
        .columns()
        .find(|(_, column)| column.impersonator.is_some())
        .map(|(field, _)| impersonator(field, private));
    let schema = schema(payload, private);
    let defaults =
        payload.columns().filter_map(|(field, column)| default_check(field, column, private));
    let encode = payload.columns().map(|(field, column)| encode(field, column, private));
    let decode = payload.fields.iter().map(|field| decode(field, private));
    // Located at the struct's name, so that a missing `Clone` is reported there, and only once.
    quote_spanned! {ident.span()=>
        #[allow(unused_qualifications)]
        #[automatically_derived]
        impl #private::SessionData for #ident {
            type Subject = #subject_type;
            const IDLE: ::core::time::Duration = ::core::time::Duration::from_secs(#idle);
            const ABSOLUTE: ::core::time::Duration = ::core::time::Duration::from_secs(#absolute);
            #cookie
            #limit
            #keep_ended

            fn schema() -> &'static #private::Schema {
                #(#defaults)*
                // A constant, so that a mistake in the schema is a compile error.
                const __SCHEMA: &#private::Schema = &#schema;
                __SCHEMA
            }

            fn encode(
                &self,
                row: &mut #private::Encoder,
            ) -> ::core::result::Result<(), #private::EncodeError> {
                #(#encode)*
                ::core::result::Result::Ok(())
            }

            fn decode(
                row: &mut #private::Decoder<'_>,
            ) -> ::core::result::Result<Self, #private::DecodeError> {
                ::core::result::Result::Ok(Self {
                    #(#decode,)*
                })
            }

            fn subject(&self) -> ::core::option::Option<&#subject_type> {
                #subject_value
            }

            #impersonator
        }
    }
}

fn impersonator(field: &Field, private: &TokenStream) -> TokenStream {
    let Field { ident, ty, .. } = field;
    // Located at the field's type, because it must be an `Option`.
    let (first, last) = ends(ty);
    let trait_ = moved(&quote!(#private::Impersonator), first);
    let value = quote_spanned!(last=> <#ty as #trait_>::value);
    quote! {
        fn impersonator(&self) -> ::core::option::Option<#private::Value> {
            #value(&self.#ident)
        }
    }
}

fn has_role(payload: &Ident, field: &Field, private: &TokenStream) -> TokenStream {
    let Field { ident, ty, .. } = field;
    quote! {
        #[automatically_derived]
        impl #private::HasRole for #payload {
            type Role = #ty;

            fn role(&self) -> &#ty {
                &self.#ident
            }
        }
    }
}

fn schema(payload: &Payload, private: &TokenStream) -> TokenStream {
    let table = joined(&payload.table);
    let columns = payload.columns().map(|(field, column)| column_schema(field, column, private));
    let renamed_from =
        payload.renamed_from.as_ref().map(|SqlName { text, .. }| quote!(.renamed_from(#text)));
    let options = options(&payload.options, private);
    quote_spanned! {at(payload.ident.span())=>
        #private::Schema::new(#table, &[#(#columns),*])#renamed_from #options
    }
}

fn options(options: &SchemaOptions, private: &TokenStream) -> Option<TokenStream> {
    let wanted: Vec<_> = [
        (options.keep_ended.is_some(), quote!(.keep_ended())),
        (options.track, quote!(.track())),
        (options.fingerprint, quote!(.fingerprint())),
        (options.cut_off.is_some(), quote!(.cut_off())),
    ]
    .into_iter()
    .filter_map(|(wanted, call)| wanted.then_some(call))
    .collect();
    (!wanted.is_empty()).then(|| quote!(.options(#private::SchemaOptions::NONE #(#wanted)*)))
}

fn column_schema(field: &Field, column: &Column, private: &TokenStream) -> TokenStream {
    let name = &column.name.text;
    // If the constant's evaluation fails, an argument is the cause, so the expression is located
    // there.
    let span = column
        .subject
        .or(column.references.as_ref().map(|target| target.column.span))
        .map_or_else(Span::call_site, at);
    let start = moved(private, span);
    let new = if column.json {
        quote!(#private::ColumnSchema::json(#name))
    } else {
        let [type_, nullable, variants, range] = ["TYPE", "NULLABLE", "RENAMED_VARIANTS", "RANGE"]
            .map(|item| column_item(&field.ty, private, item));
        quote_spanned! {span=>
            #start::ColumnSchema::new(#name, #type_, #nullable)
                .renamed_variants(#variants).range(#range)
        }
    };
    let subject = column.subject.map(|_| quote_spanned!(span=> .subject()));
    let role = column.role.map(|_| quote!(.role()));
    let default = column.default.as_ref().map(|sql| quote!(.default(#sql)));
    let sql_type = column.sql_type.as_ref().map(|sql| quote!(.sql_type(#sql)));
    let references = column.references.as_ref().map(|target| {
        let end = at(target.column.span);
        let target = reference(target, private);
        quote_spanned!(end=> .references(#target))
    });
    let unique = column.unique.then(|| quote!(.unique()));
    let index = column.index.then(|| quote!(.index()));
    let renamed_from =
        column.renamed_from.as_ref().map(|SqlName { text, .. }| quote!(.renamed_from(#text)));
    let on_change =
        column.end_sessions.then(|| quote!(.on_change(#private::OnChange::EndSessions)));
    quote! {
        #new #subject #role #default #sql_type #references #unique #index #renamed_from #on_change
    }
}

/// Refuses a default without quotes if the column's type is a text. Only the compiler knows that
/// type.
fn default_check(field: &Field, column: &Column, private: &TokenStream) -> Option<TokenStream> {
    let default = column.default.as_ref().filter(|_| !column.json)?;
    let text = default::meant_as_text(default)?;
    let advice = format!(
        "the default of a text is an SQL expression, with its quotes; \
         did you mean `default = \"{text}\"`?"
    );
    let type_ = column_item(&field.ty, private, "TYPE");
    let span = at(default.span());
    let private = moved(private, span);
    Some(quote_spanned!(span=> const _: () = #private::refuse_bare_text(#type_, #advice);))
}

fn reference(reference: &Reference, private: &TokenStream) -> TokenStream {
    let table = joined(&reference.table);
    let column = &reference.column.text;
    let on_delete = match reference.on_delete {
        OnDelete::Cascade => quote!(Cascade),
        OnDelete::Restrict => quote!(Restrict),
        OnDelete::SetNull => quote!(SetNull),
    };
    quote!(#private::Reference::new(#table, #column, #private::OnDelete::#on_delete))
}

/// Returns `schema.table`, without quotes.
fn joined(path: &[SqlName]) -> String {
    path.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".")
}

// Both are located at the field's type, because the type is the mistake when a field cannot be
// written or read. Only the local variables belong to the derive.

fn encode(field: &Field, column: &Column, private: &TokenStream) -> TokenStream {
    let (first, last) = ends(&field.ty);
    let [row, self_] = ["row", "self"].map(|local| Ident::new(local, at(first)));
    let encoder = moved(&quote!(#private::Encoder), first);
    let mut ident = field.ident.clone();
    ident.set_span(at(last));
    let value = quote_spanned!(at(last)=> &#self_.#ident);
    if column.json {
        quote_spanned!(at(last)=> #row.json(#value)?;)
    } else {
        let to_value = column_item(&field.ty, private, "to_value");
        quote_spanned!(last=> #encoder::push(#row, #to_value(#value))?;)
    }
}

fn decode(field: &Field, private: &TokenStream) -> TokenStream {
    let Field { ident, ty, .. } = field;
    let (first, last) = ends(ty);
    let row = Ident::new("row", at(first));
    let decoder = moved(&quote!(#private::Decoder), first);
    let value = match &field.stored {
        Stored::No => quote_spanned!(last=> ::core::default::Default::default()),
        Stored::Column(column) if column.json => quote_spanned!(last=> #decoder::json(#row)?),
        Stored::Column(_) => {
            let from_value = column_item(ty, private, "from_value");
            quote_spanned!(last=> #decoder::read(#row, #from_value)?)
        }
    };
    quote!(#ident: #value)
}

/// Generates the extractors, with their bodies: the struct as an argument of a handler, and as
/// `Option<..>`.
pub(super) fn extractors(
    ident: &Ident,
    generics: &Generics,
    clause: Option<&TokenStream>,
    [required, optional]: [TokenStream; 2],
    private: &TokenStream,
) -> TokenStream {
    let (of_payload, type_generics, _) = generics.split_for_impl();
    let described = quote! {
        #private::described_extractor! { { #of_payload } #ident #type_generics { #clause } }
    };
    let mut generics = generics.clone();
    generics.params.push(parse_quote!(__S: ::core::marker::Send + ::core::marker::Sync));
    let (impl_generics, _, _) = generics.split_for_impl();
    quote_spanned! {ident.span()=>
        #[automatically_derived]
        impl #impl_generics #private::FromRequestParts<__S> for #ident #type_generics #clause {
            type Rejection = #private::Rejection;

            async fn from_request_parts(
                parts: &mut #private::Parts,
                _: &__S,
            ) -> ::core::result::Result<Self, Self::Rejection> {
                #required
            }
        }

        #[automatically_derived]
        impl #impl_generics #private::OptionalFromRequestParts<__S> for #ident #type_generics
        #clause
        {
            type Rejection = #private::Rejection;

            async fn from_request_parts(
                parts: &mut #private::Parts,
                _: &__S,
            ) -> ::core::result::Result<::core::option::Option<Self>, Self::Rejection> {
                #optional
            }
        }

        #described
    }
}
