//! [`Guard`]: the first arguments that anchor's attributes insert; [`GuardedHandler`]: the handlers
//! that have one.

use axum::extract::FromRequestParts;

use crate::guard::Policy;
use crate::guard::login_page::LoginPage;
use crate::guard::required::{Public, Reaches, Require, RequireAny, Revoke, RevokeAny};
use crate::payload::SessionData;

/// The first argument of a handler that `#[require_session]`, `#[logout]` or `#[public]` has
/// inserted. [`TestSession::guard`](super::TestSession::guard) and
/// [`TestRequest::guard`](super::TestRequest::guard) return it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the guard of a handler that needs a session of `{T}`",
    label = "`.guard()` of a session of `{T}` is the first argument of a handler under \
        `#[require_session({T})]`, `#[logout({T})]` or `#[public]`",
    note = "for a handler that needs a session of another type, call `.guard()` on a session of \
        that type; for an argument `Session<{T}>`, call `.session()`"
)]
pub trait Guard<T>: FromRequestParts<()> + Sealed {}

/// Only this module implements it.
pub trait Sealed {}

macro_rules! guards {
    ($([$($parameter:tt)*] $guard:ty, for $payload:ty;)+) => {$(
        impl<$($parameter)*> Sealed for $guard {}

        #[diagnostic::do_not_recommend]
        impl<$($parameter)*> Guard<$payload> for $guard {}
    )+};
}

guards! {
    [T: SessionData, P: Policy<T>, L: LoginPage] Require<T, P, L>, for T;
    [T: SessionData, R: Reaches] Revoke<T, R>, for T;
}

macro_rules! guards_of_any {
    ($([$($parameter:tt)*] $guard:ty;)+) => {$(
        impl<$($parameter)*> Sealed for $guard {}

        #[diagnostic::do_not_recommend]
        impl<T: SessionData, $($parameter)*> Guard<T> for $guard {}
    )+};
}

guards_of_any! {
    [L: LoginPage] RequireAny<L>;
    [R: Reaches] RevokeAny<R>;
    [] Public;
}

/// A function with a [`Guard`] as its first argument. `M` stands for its other arguments; the
/// compiler infers it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a guarded handler",
    label = "this is not a function under `#[require_session]`, `#[logout]` or `#[public]`",
    note = "name the function itself, such as `.check(ban)`; a generic one needs its types: \
        `.check(ban::<Database>)`"
)]
pub trait GuardedHandler<M> {
    /// Its first argument.
    type Guard;
}

macro_rules! guarded_handler {
    ($($argument:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<F, O, G, $($argument),*> GuardedHandler<(O, G, $($argument,)*)> for F
        where
            F: FnOnce(G, $($argument),*) -> O,
        {
            type Guard = G;
        }
    };
}

guarded_handler!();
guarded_handler!(A);
guarded_handler!(A B);
guarded_handler!(A B C);
guarded_handler!(A B C D);
guarded_handler!(A B C D E);
guarded_handler!(A B C D E H);
guarded_handler!(A B C D E H I);
guarded_handler!(A B C D E H I J);
guarded_handler!(A B C D E H I J K);
guarded_handler!(A B C D E H I J K L);
guarded_handler!(A B C D E H I J K L N);
guarded_handler!(A B C D E H I J K L N P);
guarded_handler!(A B C D E H I J K L N P Q);
guarded_handler!(A B C D E H I J K L N P Q R);
guarded_handler!(A B C D E H I J K L N P Q R S);
