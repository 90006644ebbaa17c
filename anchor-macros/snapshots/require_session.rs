/// Documented.
#[cfg(feature = "admin")]
#[debug_handler]
pub async fn ban<T: Clone>(
    _: ::anchor::__private::Require<
        UserSession,
        (
            __anchor_when_ban,
            __anchor_role_ban,
            ::anchor::__private::Fresh<600u64>,
            ::anchor::__private::Authoritative,
        ),
        __anchor_redirect_ban,
    >,
    State(state): State<T>,
) -> impl IntoResponse
where
    T: Send,
{
    state.ban().await
}
#[cfg(feature = "admin")]
#[doc(hidden)]
#[allow(non_camel_case_types, unreachable_pub)]
pub struct __anchor_redirect_ban;
#[cfg(feature = "admin")]
#[automatically_derived]
impl ::anchor::__private::LoginPage for __anchor_redirect_ban {
    const PATH: ::core::option::Option<&'static str> = ::core::option::Option::Some(
        "/login",
    );
}
#[cfg(feature = "admin")]
#[doc(hidden)]
#[allow(non_camel_case_types, unreachable_pub)]
pub struct __anchor_when_ban;
#[cfg(feature = "admin")]
#[automatically_derived]
impl ::anchor::__private::Policy<UserSession> for __anchor_when_ban {
    fn check(
        session: &::anchor::__private::Session<UserSession>,
    ) -> ::anchor::__private::Decision {
        ::anchor::__private::when(session, |session| session.is_admin())
    }
    fn describe() -> ::std::string::String {
        ::std::string::String::from("when | session | session . is_admin ()")
    }
    fn requirements() -> ::std::vec::Vec<::anchor::__private::Requirement> {
        ::anchor::__private::requires_predicate()
    }
}
#[cfg(feature = "admin")]
#[doc(hidden)]
#[allow(non_camel_case_types, unreachable_pub)]
pub struct __anchor_role_ban;
#[cfg(feature = "admin")]
#[automatically_derived]
impl ::anchor::__private::Policy<UserSession> for __anchor_role_ban {
    fn check(
        session: &::anchor::__private::Session<UserSession>,
    ) -> ::anchor::__private::Decision {
        ::anchor::__private::allow_if(
            <UserSession as ::anchor::__private::HasRole>::role(session.data())
                == &(Role::Admin),
        )
    }
    fn describe() -> ::std::string::String {
        ::std::string::String::from("role Role :: Admin")
    }
    fn requirements() -> ::std::vec::Vec<::anchor::__private::Requirement> {
        ::anchor::__private::requires_role("Role :: Admin")
    }
}
