//! A small provider of OpenID Connect: discovery, keys, codes that are valid once, PKCE, and ID
//! tokens signed with RS256.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use openidconnect::core::{
    CoreIdToken, CoreIdTokenClaims, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
    CoreRsaPrivateSigningKey,
};
use openidconnect::{
    AccessToken, Audience, EmptyAdditionalClaims, IssuerUrl, JsonWebKeyId, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, PrivateSigningKey, StandardClaims, SubjectIdentifier,
};
use serde_json::{Value, json};
use url::Url;

pub(crate) const CLIENT: &str = "shop";
pub(crate) const SECRET: &str = "the shop's secret";

/// What the provider does wrongly in an ID token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    OtherNonce,
    OtherKey,
    OtherAudience,
    OtherIssuer,
    Expired,
    NoSignature,
}

#[derive(Clone)]
pub(crate) struct Provider(Arc<Inner>);

struct Inner {
    issuer: String,
    state: Mutex<Logins>,
}

#[derive(Default)]
struct Logins {
    codes: HashMap<String, Login>,
    issued: usize,
    exchanges: usize,
    fault: Option<Fault>,
}

/// Who has logged in, and for which request.
struct Login {
    subject: String,
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self(Arc::new(Inner { issuer, state: Mutex::default() }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        provider
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// How often a code was to be exchanged.
    pub(crate) fn exchanges(&self) -> usize {
        self.0.state.lock().unwrap().exchanges
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.0.state.lock().unwrap().fault = Some(fault);
    }

    /// What the login page does at this URL: lets somebody log in, and returns where their browser
    /// is sent.
    pub(crate) async fn log_in(&self, url: &str, subject: &str) -> String {
        let url = Url::parse(url).unwrap();
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(url.path(), "/authorize");
        let expected = [("response_type", "code"), ("client_id", CLIENT), ("scope", "openid")];
        for (name, value) in expected {
            assert_eq!(query[name], value);
        }
        assert_eq!(query["code_challenge_method"], "S256");
        let mut state = self.0.state.lock().unwrap();
        state.issued += 1;
        let code = format!("code-{}", state.issued);
        let login = Login {
            subject: subject.to_owned(),
            nonce: query["nonce"].clone(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
        };
        let mut back = Url::parse(&login.redirect_uri).unwrap();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &query["state"]);
        state.codes.insert(code, login);
        back.into()
    }
}

fn key(pem: &str) -> CoreRsaPrivateSigningKey {
    CoreRsaPrivateSigningKey::from_pem(pem, Some(JsonWebKeyId::new("of the provider".into())))
        .unwrap()
}

/// The key of this provider, and another one. Nothing else is signed with them.
fn own_key() -> CoreRsaPrivateSigningKey {
    key(include_str!("provider.pem"))
}

fn strangers_key() -> CoreRsaPrivateSigningKey {
    key(include_str!("stranger.pem"))
}

async fn metadata(State(provider): State<Provider>) -> Json<Value> {
    let issuer = provider.issuer();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

async fn keys() -> Json<CoreJsonWebKeySet> {
    Json(CoreJsonWebKeySet::new(vec![own_key().as_verification_key()]))
}

async fn token(
    State(provider): State<Provider>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let (login, fault) = {
        let mut state = provider.0.state.lock().unwrap();
        state.exchanges += 1;
        (state.codes.remove(&form["code"]), state.fault)
    };
    let refused = (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })));
    let Some(login) = login else { return refused.into_response() };
    let verifier = PkceCodeVerifier::new(form["code_verifier"].clone());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    if challenge.as_str() != login.challenge || form["redirect_uri"] != login.redirect_uri {
        return refused.into_response();
    }
    let access_token = AccessToken::new("of no use here".into());
    let id_token = id_token(&provider, login, fault, &access_token);
    Json(json!({
        "access_token": access_token.secret(),
        "token_type": "Bearer",
        "id_token": id_token,
    }))
    .into_response()
}

fn id_token(
    provider: &Provider,
    login: Login,
    fault: Option<Fault>,
    access_token: &AccessToken,
) -> String {
    let has = |it| fault == Some(it);
    let issuer = if has(Fault::OtherIssuer) { "http://127.0.0.1:1" } else { provider.issuer() };
    let audience = if has(Fault::OtherAudience) { "another shop" } else { CLIENT };
    let nonce = if has(Fault::OtherNonce) { "another nonce".to_owned() } else { login.nonce };
    let now = std::time::SystemTime::now();
    let hour = Duration::from_secs(3600);
    let expires = if has(Fault::Expired) { now - hour } else { now + hour };
    let claims = CoreIdTokenClaims::new(
        IssuerUrl::new(issuer.to_owned()).unwrap(),
        vec![Audience::new(audience.to_owned())],
        expires.into(),
        now.into(),
        StandardClaims::new(SubjectIdentifier::new(login.subject)),
        EmptyAdditionalClaims {},
    )
    .set_nonce(Some(Nonce::new(nonce)));
    let key = if has(Fault::OtherKey) { strangers_key() } else { own_key() };
    let rs256 = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
    let token = CoreIdToken::new(claims, &key, rs256, Some(access_token), None).unwrap();
    let token = token.to_string();
    match token.rsplit_once('.') {
        Some((signed, _)) if has(Fault::NoSignature) => format!("{signed}."),
        _ => token,
    }
}
