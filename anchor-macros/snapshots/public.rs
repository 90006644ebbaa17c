async fn home(_: ::anchor::__private::Public) -> &'static str {
    "welcome"
}
