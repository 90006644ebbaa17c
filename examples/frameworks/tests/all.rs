//! Each framework with a real server: refused, logged in, logged out, refused.

use std::net::SocketAddr;

use anchor::Environment;
use anchor::prelude::*;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use frameworks_example::{UserSession, dioxus_functions, graphql, leptos_functions, tls};
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Version};
use serde_json::{Value, json};

const KEY: &str = "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=";

fn sessions() -> SessionManager<UserSession> {
    let development = Environment::of("ANCHOR", [("ANCHOR_DEVELOPMENT", "true")]);
    frameworks_example::sessions(development).unwrap()
}

/// Serves routes until the test ends, and returns where.
async fn serve(app: anchor::routing::Router) -> String {
    let app = app.build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// Says who encrypts.
fn install_provider() {
    // Another test of the process may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn client() -> Client {
    install_provider();
    Client::new()
}

/// The name and value of the cookie that a response sets.
fn cookie(response: &Response) -> String {
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn expect(request: RequestBuilder, status: StatusCode) -> Response {
    let response = request.send().await.unwrap();
    if response.status() != status {
        let (url, got) = (response.url().clone(), response.status());
        panic!("{url} is {got}: {}", response.text().await.unwrap());
    }
    response
}

#[tokio::test]
async fn a_guard_of_graphql_asks_for_a_session_and_mutations_log_in_and_out() {
    let url = serve(graphql::app(&sessions())).await + "/graphql";
    let client = client();
    let ask = async |query: &str, cookie: &str| {
        let request = client.post(&url).header(COOKIE, cookie).json(&json!({ "query": query }));
        let response = expect(request, StatusCode::OK).await;
        let set = response.headers().contains_key(SET_COOKIE).then(|| self::cookie(&response));
        (response.json::<Value>().await.unwrap(), set)
    };
    let (open, _) = ask("{ greeting }", "").await;
    assert_eq!(open, json!({ "data": { "greeting": "welcome" } }));
    let (refused, _) = ask("{ me }", "").await;
    assert_eq!(refused["errors"][0]["message"], "log in first");
    let (_, cookie) = ask("mutation { login(name: \"ferris\") }", "").await;
    let cookie = cookie.expect("a cookie");
    let (me, _) = ask("{ me again: me }", &cookie).await;
    assert_eq!(me, json!({ "data": { "me": "ferris", "again": "ferris" } }));
    let (out, _) = ask("mutation { logout }", &cookie).await;
    assert_eq!(out, json!({ "data": { "logout": true } }));
    let (refused, _) = ask("{ me }", &cookie).await;
    assert_eq!(refused["errors"][0]["message"], "log in first");
    // In one request, later fields see what earlier ones did.
    let (both, set) = ask("mutation { login(name: \"a\") logout }", "").await;
    assert_eq!(both["data"], json!({ "login": "a", "logout": true }));
    assert!(set.is_none_or(|cookie| cookie.ends_with('=')), "{both}");

    // Another site can send neither a query string nor a form.
    let query = "mutation%20%7Blogout%7D";
    expect(client.get(format!("{url}?query={query}")), StatusCode::METHOD_NOT_ALLOWED).await;
    let (_, cookie) = ask("mutation { login(name: \"ferris\") }", "").await;
    let cookie = cookie.expect("a cookie");
    let elsewhere =
        client.post(&url).header(COOKIE, &cookie).header(ORIGIN, "https://evil.example");
    let response = elsewhere.json(&json!({ "query": "mutation { logout }" })).send().await.unwrap();
    assert!(!response.text().await.unwrap().contains("true"));
    let (me, _) = ask("{ me }", &cookie).await;
    assert_eq!(me["data"]["me"], "ferris");
}

#[tokio::test]
async fn a_guard_stands_before_leptos_functions() {
    let url = serve(leptos_functions::app(&sessions())).await + "/functions";
    let client = client();
    let call = |path: &str, cookie: &str| {
        client.post(format!("{url}{path}")).header(COOKIE, cookie).form(&[("name", "ferris")])
    };
    expect(call("/account/me", ""), StatusCode::UNAUTHORIZED).await;
    // A function is called under its own path only.
    expect(call("/open/me", ""), StatusCode::BAD_REQUEST).await;
    let visitor = expect(call("/open/visitor", ""), StatusCode::OK).await;
    assert_eq!(visitor.json::<Value>().await.unwrap(), Value::Null);
    let cookie = cookie(&expect(call("/open/login", ""), StatusCode::OK).await);
    let me = expect(call("/account/me", &cookie), StatusCode::OK).await;
    assert_eq!(me.json::<Value>().await.unwrap(), "ferris");
    let visitor = expect(call("/open/visitor", &cookie), StatusCode::OK).await;
    assert_eq!(visitor.json::<Value>().await.unwrap(), "ferris");
    let elsewhere = call("/account/logout", &cookie).header(ORIGIN, "https://evil.example");
    expect(elsewhere, StatusCode::FORBIDDEN).await;
    expect(call("/account/logout", &cookie), StatusCode::OK).await;
    expect(call("/account/me", &cookie), StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn dioxus_functions_name_the_session_that_they_need() {
    let url = serve(dioxus_functions::app(&sessions())).await + "/functions";
    let client = client();
    let me = |cookie: &str| client.get(format!("{url}/me")).header(COOKIE, cookie);
    let post = |path: &str, cookie: &str| {
        let request = client.post(format!("{url}{path}")).header(COOKIE, cookie);
        request.json(&json!({ "name": "ferris" }))
    };
    expect(me(""), StatusCode::UNAUTHORIZED).await;
    let cookie = cookie(&expect(post("/login", ""), StatusCode::OK).await);
    let name = expect(me(&cookie), StatusCode::OK).await;
    assert_eq!(name.json::<Value>().await.unwrap(), "ferris");
    expect(post("/logout", &cookie), StatusCode::OK).await;
    expect(me(&cookie), StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn with_tls_the_cookie_is_for_this_host_alone_and_the_connection_is_http_2() {
    let names = ["localhost".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    install_provider();
    let config = RustlsConfig::from_pem(cert.pem().into(), signing_key.serialize_pem().into());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let production = [("ANCHOR_KEYS", KEY)];
    let production = Environment::of("ANCHOR", production);
    let sessions = frameworks_example::sessions(production).unwrap();
    let handle = Handle::<SocketAddr>::new();
    let server = tls::serve(listener, config.await.unwrap(), sessions, handle.clone());
    let server = tokio::spawn(server);

    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(cert.pem().as_bytes()).unwrap()])
        .build()
        .unwrap();
    let url = format!("https://localhost:{port}");
    expect(client.get(format!("{url}/me")), StatusCode::UNAUTHORIZED).await;
    let login = client.post(format!("{url}/login")).form(&[("name", "ferris")]);
    let login = expect(login, StatusCode::NO_CONTENT).await;
    assert_eq!(login.version(), Version::HTTP_2);
    let set = login.headers()[SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-") && set.contains("; Secure"), "{set}");
    let cookie = cookie(&login);
    let me = expect(client.get(format!("{url}/me")).header(COOKIE, &cookie), StatusCode::OK).await;
    assert_eq!(me.text().await.unwrap(), "ferris");
    let logout = |origin: &str| {
        let request = client.post(format!("{url}/logout")).header(COOKIE, &cookie);
        request.header(ORIGIN, origin)
    };
    expect(logout("https://evil.example"), StatusCode::FORBIDDEN).await;
    expect(logout(&url), StatusCode::NO_CONTENT).await;
    let me = client.get(format!("{url}/me")).header(COOKIE, &cookie);
    expect(me, StatusCode::UNAUTHORIZED).await;

    handle.graceful_shutdown(Some(std::time::Duration::from_secs(5)));
    server.await.unwrap().unwrap();
}
