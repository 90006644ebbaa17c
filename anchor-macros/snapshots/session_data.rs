const _: () = {
    #[allow(unused_qualifications)]
    #[automatically_derived]
    impl ::anchor::__private::SessionData for UserSession {
        type Subject = Uuid;
        const IDLE: ::core::time::Duration = ::core::time::Duration::from_secs(1800u64);
        const ABSOLUTE: ::core::time::Duration = ::core::time::Duration::from_secs(
            1209600u64,
        );
        const COOKIE: ::core::option::Option<&'static str> = ::core::option::Option::Some(
            "__Host-id",
        );
        fn schema() -> &'static ::anchor::__private::Schema {
            const __SCHEMA: &::anchor::__private::Schema = &::anchor::__private::Schema::new(
                "sessions",
                &[
                    ::anchor::__private::ColumnSchema::new(
                            "user_id",
                            <Uuid as ::anchor::__private::Column>::TYPE,
                            <Uuid as ::anchor::__private::Column>::NULLABLE,
                        )
                        .renamed_variants(
                            <Uuid as ::anchor::__private::Column>::RENAMED_VARIANTS,
                        )
                        .range(<Uuid as ::anchor::__private::Column>::RANGE)
                        .subject()
                        .references(
                            ::anchor::__private::Reference::new(
                                "users",
                                "id",
                                ::anchor::__private::OnDelete::Cascade,
                            ),
                        ),
                    ::anchor::__private::ColumnSchema::new(
                            "role",
                            <Option<Role> as ::anchor::__private::Column>::TYPE,
                            <Option<Role> as ::anchor::__private::Column>::NULLABLE,
                        )
                        .renamed_variants(
                            <Option<
                                Role,
                            > as ::anchor::__private::Column>::RENAMED_VARIANTS,
                        )
                        .range(<Option<Role> as ::anchor::__private::Column>::RANGE)
                        .role()
                        .default("'member'"),
                    ::anchor::__private::ColumnSchema::json("cart"),
                ],
            );
            __SCHEMA
        }
        fn encode(
            &self,
            row: &mut ::anchor::__private::Encoder,
        ) -> ::core::result::Result<(), ::anchor::__private::EncodeError> {
            ::anchor::__private::Encoder::push(
                row,
                <Uuid as ::anchor::__private::Column>::to_value(&self.user_id),
            )?;
            ::anchor::__private::Encoder::push(
                row,
                <Option<Role> as ::anchor::__private::Column>::to_value(&self.role),
            )?;
            row.json(&self.cart)?;
            ::core::result::Result::Ok(())
        }
        fn decode(
            row: &mut ::anchor::__private::Decoder<'_>,
        ) -> ::core::result::Result<Self, ::anchor::__private::DecodeError> {
            ::core::result::Result::Ok(Self {
                user_id: ::anchor::__private::Decoder::read(
                    row,
                    <Uuid as ::anchor::__private::Column>::from_value,
                )?,
                role: ::anchor::__private::Decoder::read(
                    row,
                    <Option<Role> as ::anchor::__private::Column>::from_value,
                )?,
                cart: ::anchor::__private::Decoder::json(row)?,
                scratch: ::core::default::Default::default(),
            })
        }
        fn subject(&self) -> ::core::option::Option<&Uuid> {
            ::core::option::Option::Some(&self.user_id)
        }
    }
    #[automatically_derived]
    impl ::anchor::__private::HasRole for UserSession {
        type Role = Option<Role>;
        fn role(&self) -> &Option<Role> {
            &self.role
        }
    }
    #[automatically_derived]
    impl<
        __S: ::core::marker::Send + ::core::marker::Sync,
    > ::anchor::__private::FromRequestParts<__S> for UserSession {
        type Rejection = ::anchor::__private::Rejection;
        async fn from_request_parts(
            parts: &mut ::anchor::__private::Parts,
            _: &__S,
        ) -> ::core::result::Result<Self, Self::Rejection> {
            ::anchor::__private::extract::<Self>(parts).await
        }
    }
    #[automatically_derived]
    impl<
        __S: ::core::marker::Send + ::core::marker::Sync,
    > ::anchor::__private::OptionalFromRequestParts<__S> for UserSession {
        type Rejection = ::anchor::__private::Rejection;
        async fn from_request_parts(
            parts: &mut ::anchor::__private::Parts,
            _: &__S,
        ) -> ::core::result::Result<::core::option::Option<Self>, Self::Rejection> {
            ::anchor::__private::extract_optional::<Self>(parts).await
        }
    }
    ::anchor::__private::described_extractor! {
        {} UserSession {}
    }
};
::anchor::__private::migrations_test! {
    anchor_migrations_UserSession, UserSession, ::core::option::Option::None
}
