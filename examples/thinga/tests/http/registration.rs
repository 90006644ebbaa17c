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
