//! One expansion of each macro, formatted as a reader would write it, in `snapshots/`.
//!
//! After a change, run `ANCHOR_BLESS=1 cargo test -p axum-anchor-macros`, and read the difference.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse_quote;

#[test]
fn session_data() {
    let expansion = crate::session_data::derive(&parse_quote! {
        #[session(table = "sessions", idle = "30m", cookie = "__Host-id")]
        struct UserSession {
            #[session(subject, references = "users(id)")]
            user_id: Uuid,
            #[session(role, default = "'member'", column = "\"role\"")]
            role: Option<Role>,
            #[session(json)]
            cart: Vec<Item>,
            #[session(skip)]
            scratch: Scratch,
        }
    });
    compare("session_data.rs", expansion);
}

#[test]
fn session_data_with_a_mistake() {
    let expansion = crate::session_data::derive(&parse_quote! {
        struct Nameless(Uuid);
    });
    compare("session_data_with_a_mistake.rs", expansion);
}

#[test]
fn column_of_an_enum() {
    let expansion = crate::column::derive(&parse_quote! {
        #[column(rename_all = "kebab-case")]
        enum Role {
            Member,
            SuperAdmin,
            #[column(rename = "boss")]
            Owner,
        }
    });
    compare("column_of_an_enum.rs", expansion);
}

#[test]
fn column_of_a_newtype() {
    let expansion = crate::column::derive(&parse_quote!(
        struct Email(String);
    ));
    compare("column_of_a_newtype.rs", expansion);
}

#[test]
fn require_session() {
    let expansion = crate::guards::require_session::expand(
        quote!(
            UserSession,
            when = |session| session.is_admin(),
            role = Role::Admin,
            fresh = "10m",
            authoritative,
            redirect = "/login"
        ),
        quote! {
            /// Documented.
            #[cfg(feature = "admin")]
            #[debug_handler]
            pub async fn ban<T: Clone>(State(state): State<T>) -> impl IntoResponse
            where
                T: Send,
            {
                state.ban().await
            }
        },
    );
    compare("require_session.rs", expansion);
}

#[test]
fn logout() {
    let expansion = crate::guards::logout::expand(
        quote!(),
        quote! {
            async fn logout() -> Redirect {
                Redirect::to("/")
            }
        },
    );
    compare("logout.rs", expansion);
}

#[test]
fn public() {
    let expansion = crate::guards::public::expand(
        quote!(),
        quote! {
            async fn home() -> &'static str {
                "welcome"
            }
        },
    );
    compare("public.rs", expansion);
}

fn compare(name: &str, expansion: TokenStream) {
    let file = syn::parse2(expansion).expect("the expansion is Rust");
    let actual = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name);
    if std::env::var_os("ANCHOR_BLESS").is_some() {
        std::fs::write(&path, &actual).expect("the snapshot can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        actual == expected,
        "the expansion differs from snapshots/{name}; it is now:\n{actual}"
    );
}
