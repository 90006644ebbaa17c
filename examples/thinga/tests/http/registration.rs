//! Registrations that were not meant for an account.

use reqwest::StatusCode;

use crate::site::{Backend, PASSWORD, Site};

#[tokio::test]
async fn an_address_that_no_message_can_be_sent_to_is_refused() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let register = async |email: &str| {
        let form = [("name", "Ann"), ("email", email), ("password", PASSWORD)];
        site.visitor().post("/register", &form).await.status()
    };
    for email in [
        r#""a b"@example.com"#,
        r#""<script>"@example.com"#,
        r#""a,b"@example.com"#,
        r#"Ann <ann@example.com>"#,
        "ann@[127.0.0.1]",
        "ann@[IPv6:::1]",
        "ann@example.com, bob@example.com",
        "ann@example.com\r\nBcc: bob@example.com",
        "\"a\0b\"@example.com",
        "änn@example.com",
    ] {
        assert_eq!(register(email).await, StatusCode::UNPROCESSABLE_ENTITY, "{email}");
    }
    for email in ["o'hara@example.com", "a.b+c@sub.example.com", "ann@xn--bcher-kva.example"] {
        assert_eq!(register(email).await, StatusCode::OK, "{email}");
        assert_eq!(site.mails(email).len(), 1, "{email}");
    }
}

/// The limit of the form is of one node, so two permit twice as much.
#[tokio::test]
async fn registrations_of_others_do_not_end_a_link() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let other = site.another().await;
    let form = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let mut ann = site.visitor();
    assert_eq!(ann.post("/register", &form).await.status(), StatusCode::OK);
    let link = site.link("ann@example.com");
    let form = [&form[..2], &[("password", "the password of others")]].concat();
    for node in [&site, &other] {
        for _ in 0..4 {
            assert_eq!(node.visitor().post("/register", &form).await.status(), StatusCode::OK);
        }
    }
    let confirmed = ann.post(&link, &[("password", PASSWORD)]).await;
    assert_eq!(confirmed.status(), StatusCode::SEE_OTHER);
    let late = site.visitor().post(&site.link("ann@example.com"), &form[2..]).await;
    assert_eq!(late.status(), StatusCode::GONE);
}
