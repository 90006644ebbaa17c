//! A front end on another origin: three static files. It stands for a host for files, or for the
//! development server of a front end's own tools.
//!
//! Run it with `cargo run -p thinga --bin thinga-front-end`, beside the application, and open
//! <http://127.0.0.1:3001>. `PORT` and `THINGA_API` change the defaults.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::routing::get;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let port: u16 = std::env::var("PORT").map_or(Ok(3001), |port| port.parse())?;
    let api = std::env::var("THINGA_API").unwrap_or_else(|_| "http://127.0.0.1:3000".into());
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {api}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy)?;
    let file = move |kind: &'static str, text: String| {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value| drop(headers.insert(name, value));
        set(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        set(header::CONTENT_SECURITY_POLICY, policy.clone());
        get(async move || (headers, text))
    };
    let page = include_str!("../../front-end/index.html").replace("http://127.0.0.1:3000", &api);
    let script = include_str!("../../front-end/app.js").to_owned();
    let style = include_str!("../../assets/style.css").to_owned();
    let app = Router::new()
        .route("/", file("text/html; charset=utf-8", page))
        .route("/app.js", file("text/javascript; charset=utf-8", script))
        .route("/style.css", file("text/css; charset=utf-8", style));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("Listening on http://{}, for {api}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
