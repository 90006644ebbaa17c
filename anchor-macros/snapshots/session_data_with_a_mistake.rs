::core::compile_error! {
    "a session's fields need names, because they become columns; write `struct UserSession { user_id: Uuid }`"
}
const _: () = {
    #[automatically_derived]
    impl ::anchor::__private::SessionData for Nameless
    where
        for<'__workaround> Nameless: ::core::clone::Clone + ::core::marker::Send
            + ::core::marker::Sync + 'static,
    {
        type Subject = ::anchor::__private::NoSubject;
        const IDLE: ::core::time::Duration = ::core::time::Duration::ZERO;
        const ABSOLUTE: ::core::time::Duration = ::core::time::Duration::ZERO;
        fn schema() -> &'static ::anchor::__private::Schema {
            ::core::unreachable!()
        }
        fn encode(
            &self,
            _: &mut ::anchor::__private::Encoder,
        ) -> ::core::result::Result<(), ::anchor::__private::EncodeError> {
            ::core::unreachable!()
        }
        fn decode(
            _: &mut ::anchor::__private::Decoder<'_>,
        ) -> ::core::result::Result<Self, ::anchor::__private::DecodeError> {
            ::core::unreachable!()
        }
        fn subject(&self) -> ::core::option::Option<&Self::Subject> {
            ::core::unreachable!()
        }
    }
    #[automatically_derived]
    impl<
        __S: ::core::marker::Send + ::core::marker::Sync,
    > ::anchor::__private::FromRequestParts<__S> for Nameless
    where
        for<'__workaround> Nameless: ::core::clone::Clone + ::core::marker::Send
            + ::core::marker::Sync + 'static,
    {
        type Rejection = ::anchor::__private::Rejection;
        async fn from_request_parts(
            parts: &mut ::anchor::__private::Parts,
            _: &__S,
        ) -> ::core::result::Result<Self, Self::Rejection> {
            ::core::unreachable!()
        }
    }
    #[automatically_derived]
    impl<
        __S: ::core::marker::Send + ::core::marker::Sync,
    > ::anchor::__private::OptionalFromRequestParts<__S> for Nameless
    where
        for<'__workaround> Nameless: ::core::clone::Clone + ::core::marker::Send
            + ::core::marker::Sync + 'static,
    {
        type Rejection = ::anchor::__private::Rejection;
        async fn from_request_parts(
            parts: &mut ::anchor::__private::Parts,
            _: &__S,
        ) -> ::core::result::Result<::core::option::Option<Self>, Self::Rejection> {
            ::core::unreachable!()
        }
    }
    ::anchor::__private::described_extractor! {
        {} Nameless { where for < '__workaround > Nameless : ::core::clone::Clone +
        ::core::marker::Send + ::core::marker::Sync + 'static, }
    }
};
