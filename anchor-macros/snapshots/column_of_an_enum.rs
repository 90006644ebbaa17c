const _: () = {
    #[automatically_derived]
    impl ::anchor::__private::Column for Role {
        const TYPE: ::anchor::__private::ColumnType = ::anchor::__private::ColumnType::Enum(
            &["member", "super-admin", "boss"],
        );
        fn to_value(
            &self,
        ) -> ::core::result::Result<
            ::anchor::__private::Value,
            ::anchor::__private::ColumnError,
        > {
            ::core::result::Result::Ok(
                ::anchor::__private::variant_to_value(
                    match self {
                        Self::Member => "member",
                        Self::SuperAdmin => "super-admin",
                        Self::Owner => "boss",
                    },
                ),
            )
        }
        fn from_value(
            value: ::anchor::__private::Value,
        ) -> ::core::result::Result<Self, ::anchor::__private::ColumnError> {
            match ::anchor::__private::variant_from_value(&value)? {
                "member" => ::core::result::Result::Ok(Self::Member),
                "super-admin" => ::core::result::Result::Ok(Self::SuperAdmin),
                "boss" => ::core::result::Result::Ok(Self::Owner),
                _ => {
                    ::core::result::Result::Err(
                        ::anchor::__private::unknown_variant(
                            <Self as ::anchor::__private::Column>::TYPE,
                        ),
                    )
                }
            }
        }
    }
};
