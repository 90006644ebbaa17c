//! Generates the errors of a struct with mistakes, and stub implementations, so that the code that
//! uses the struct does not report further errors.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Type};

use super::expand::extractors;
use super::known_arguments;
use crate::errors::Errors;
use crate::spans::generated;

pub(super) fn expand(input: &DeriveInput, error: &Error, private: &TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    let ident = &input.ident;
    let (impl_generics, type_generics, _) = input.generics.split_for_impl();
    let bounds = input.generics.where_clause.as_ref().map(|clause| &clause.predicates);
    // A bound with its own lifetime is checked where the stub is used, and not here. A missing
    // `Clone` is a different mistake, which the stub must not report.
    let clause = quote! {
        where
            for<'__workaround> #ident #type_generics:
                ::core::clone::Clone + ::core::marker::Send + ::core::marker::Sync + 'static,
            #bounds
    };
    let session_data = session_data(type_of_field(input, "subject"), private);
    let role = type_of_field(input, "role").map(|role| {
        quote! {
            #[automatically_derived]
            impl #impl_generics #private::HasRole for #ident #type_generics #clause {
                type Role = #role;

                fn role(&self) -> &#role {
                    ::core::unreachable!()
                }
            }
        }
    });
    let cut_off = has_cut_off(input).then(|| {
        quote! {
            #[automatically_derived]
            impl #impl_generics #private::CutOff for #ident #type_generics #clause {}
        }
    });
    let bodies = [(); 2].map(|()| quote!(::core::unreachable!()));
    let extractors = extractors(&generated(ident), &input.generics, Some(&clause), bodies, private);
    quote! {
        #error

        const _: () = {
            #[automatically_derived]
            impl #impl_generics #private::SessionData for #ident #type_generics #clause {
                #session_data
            }

            #role
            #cut_off

            #extractors
        };
    }
}

fn session_data(subject: Option<&Type>, private: &TokenStream) -> TokenStream {
    let subject = subject.map_or_else(|| quote!(#private::NoSubject), |ty| quote!(#ty));
    quote! {
        type Subject = #subject;
        const IDLE: ::core::time::Duration = ::core::time::Duration::ZERO;
        const ABSOLUTE: ::core::time::Duration = ::core::time::Duration::ZERO;

        fn schema() -> &'static #private::Schema {
            ::core::unreachable!()
        }

        fn encode(
            &self,
            _: &mut #private::Encoder,
        ) -> ::core::result::Result<(), #private::EncodeError> {
            ::core::unreachable!()
        }

        fn decode(
            _: &mut #private::Decoder<'_>,
        ) -> ::core::result::Result<Self, #private::DecodeError> {
            ::core::unreachable!()
        }

        fn subject(&self) -> ::core::option::Option<&Self::Subject> {
            ::core::unreachable!()
        }
    }
}

fn has_cut_off(input: &DeriveInput) -> bool {
    let mut reported_already = Errors::new();
    let arguments = known_arguments::of_struct(&input.attrs, &mut reported_already);
    let _: syn::Result<()> = reported_already.finish();
    arguments.name("cut_off").is_some()
}

/// Returns the type of the field with this argument, so that code that uses it does not report
/// another type.
fn type_of_field<'a>(input: &'a DeriveInput, argument: &str) -> Option<&'a Type> {
    let Data::Struct(data) = &input.data else { return None };
    data.fields.iter().find_map(|field| {
        let mut reported_already = Errors::new();
        let arguments = known_arguments::of_field(&field.attrs, &mut reported_already);
        let _: syn::Result<()> = reported_already.finish();
        arguments.name(argument).map(|_| &field.ty)
    })
}
