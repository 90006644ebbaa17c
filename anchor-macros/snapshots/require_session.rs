/// Documented.
#[cfg(feature = "admin")]
#[debug_handler]
pub async fn ban<T: Clone>(
    _: ::anchor::__private::Require<
        UserSession,
        (__anchor_when_ban, ::anchor::__private::Fresh<600u64>),
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
}
