/// Documented.
#[cfg(feature = "admin")]
#[debug_handler]
pub async fn ban<T: Clone>(
    _: ::anchor::__private::Require<
        UserSession,
        (__anchor_policy_ban, ::anchor::__private::Fresh<600u64>),
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
pub struct __anchor_policy_ban;
#[cfg(feature = "admin")]
#[automatically_derived]
impl ::anchor::__private::Policy<UserSession> for __anchor_policy_ban {
    fn check(
        session: &::anchor::__private::Session<UserSession>,
    ) -> ::anchor::__private::Decision {
        ::anchor::__private::when(session, |session| session.is_admin())
    }
}
