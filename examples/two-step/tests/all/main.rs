//! Both steps of each login, and what must not be a login.

mod browser;
mod oidc;
mod passkeys;
mod provider;
mod totp;

use anchor::Environment;
use axum::http::StatusCode;
use browser::Browser;
use two_step_example::users::Users;
use url::Url;
use webauthn_rs::prelude::WebauthnBuilder;

/// The site, and what it asks the provider for.
const SITE: &str = "https://shop.example";
const CALLBACK: &str = "https://shop.example/oidc/callback";

/// An application, being served, with these users and this provider.
struct Site {
    served: anchor_tests::http::Served,
}

impl Site {
    async fn open(users: &Users, provider: &provider::Provider) -> Self {
        let client = two_step_example::oidc::Provider::discover(
            provider.issuer(),
            provider::CLIENT,
            provider::SECRET,
            CALLBACK,
        );
        let origin = Url::parse(SITE).unwrap();
        let relying_party = WebauthnBuilder::new("shop.example", &origin).unwrap().build().unwrap();
        let key = format!("{}=", "A".repeat(43));
        let environment = Environment::of("ANCHOR", [("ANCHOR_KEYS", key.as_str())]);
        let (users, client) = (users.clone(), Some(client.await.unwrap()));
        let app = two_step_example::app(users, client, relying_party.into(), &environment).unwrap();
        Self { served: anchor_tests::http::Served::start(app).await }
    }

    fn browser(&self) -> Browser<'_> {
        Browser::new(&self.served)
    }
}

/// Whether this browser is logged in, and as whom.
async fn me(browser: &mut Browser<'_>) -> Option<String> {
    let me = browser.get("/me").await;
    match me.status {
        StatusCode::OK => Some(me.text().to_owned()),
        StatusCode::UNAUTHORIZED => None,
        status => panic!("{status}"),
    }
}
