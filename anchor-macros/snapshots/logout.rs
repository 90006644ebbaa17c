async fn logout(_: ::anchor::__private::RevokeAny) -> Redirect {
    Redirect::to("/")
}
