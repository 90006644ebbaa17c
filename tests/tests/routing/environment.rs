//! A manager configured by environment variables, from variables to the cookie that a browser gets.

use anchor::prelude::*;
use anchor::routing::{Router, post};
use anchor::{ConfigError, Environment};
use axum::http::header;

use crate::application::{UserSession, login, send};

const KEY: (&str, &str) = ("SHOP_KEYS", "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=");

fn sessions(variables: &[(&str, &str)]) -> Result<SessionManager<UserSession>, ConfigError> {
    SessionManager::builder(MemoryStore::new())
        .environment(Environment::of("SHOP", variables.iter().copied()))
        .build()
}

async fn set_cookie(variables: &[(&str, &str)]) -> String {
    let sessions = sessions(variables).unwrap();
    let app = Router::new().route("/login/{role}", post(login)).sessions(&sessions);
    let app = app.build().unwrap();
    let response = send(&app, "POST", "/login/member", &[]).await;
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    let (name, rest) = cookie.split_once('=').unwrap();
    let (_, attributes) = rest.split_once(';').unwrap();
    format!("{name};{attributes}")
}

#[tokio::test]
async fn variables_reach_the_browsers_cookie() {
    let attributes = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600";
    // The struct names its cookie `id`.
    assert_eq!(set_cookie(&[KEY]).await, format!("id; {attributes}"));
    let named = [KEY, ("SHOP_COOKIE_NAME", "__Host-shop"), ("SHOP_COOKIE_SAME_SITE", "strict")];
    assert_eq!(
        set_cookie(&named).await,
        format!("__Host-shop; {}", attributes.replace("Lax", "Strict"))
    );
    assert_eq!(
        set_cookie(&[("SHOP_DEVELOPMENT", "true")]).await,
        format!("id; {}", attributes.replace("Secure; ", ""))
    );
}

#[tokio::test]
async fn trusted_origins_come_from_the_environment_too() {
    let origin = ("SHOP_TRUSTED_ORIGINS", "https://app.example.com");
    let app = Router::new()
        .route("/login/{role}", post(login))
        .sessions(&sessions(&[KEY, origin]).unwrap())
        .build()
        .unwrap();
    for (origin, status) in [("https://app.example.com", 200), ("https://evil.example", 403)] {
        let response = send(&app, "POST", "/login/member", &[("origin", origin)]).await;
        assert_eq!(response.status(), status, "{origin}");
    }
}

#[test]
fn the_start_fails_with_every_mistake() {
    let mistakes = sessions(&[("SHOP_KEYS", "short"), ("SHOP_COOKIE_SAMESITE", "lax")]);
    let mistakes = mistakes.unwrap_err().to_string();
    assert!(mistakes.contains("UserSession`: 2 mistakes in the environment:\n- "), "{mistakes}");
    assert!(mistakes.contains("SHOP_KEYS: signing key 1 is not base64"), "{mistakes}");
    assert!(
        mistakes
            .contains("SHOP_COOKIE_SAMESITE: no such setting; did you mean SHOP_COOKIE_SAME_SITE?"),
        "{mistakes}"
    );
}
