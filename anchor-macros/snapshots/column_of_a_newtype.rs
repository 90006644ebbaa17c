const _: () = {
    #[allow(unused_qualifications)]
    #[automatically_derived]
    impl ::anchor::__private::Column for Email {
        const TYPE: ::anchor::__private::ColumnType = ::anchor::__private::newtype(
            <String as ::anchor::__private::Column>::TYPE,
            <String as ::anchor::__private::Column>::NULLABLE,
        );
        const RENAMED_VARIANTS: &'static [(&'static str, &'static str)] = <String as ::anchor::__private::Column>::RENAMED_VARIANTS;
        const RANGE: ::core::option::Option<(i64, i64)> = <String as ::anchor::__private::Column>::RANGE;
        fn to_value(
            &self,
        ) -> ::core::result::Result<
            ::anchor::__private::Value,
            ::anchor::__private::ColumnError,
        > {
            <String as ::anchor::__private::Column>::to_value(&self.0)
        }
        fn from_value(
            value: ::anchor::__private::Value,
        ) -> ::core::result::Result<Self, ::anchor::__private::ColumnError> {
            ::core::result::Result::Ok(Self {
                0: <String as ::anchor::__private::Column>::from_value(value)?,
            })
        }
    }
};
