//! Run it with `cargo run -p two-step-example`, then open <http://localhost:3000> and log in as
//! `ferris` with the password `rustacean`. `cargo run -p two-step-example code` prints the code
//! that is valid now.
//!
//! There is no provider for a login with OpenID Connect, so its routes are left out.

use std::error::Error;
use std::net::Ipv4Addr;

use anchor::Environment;
use totp_rs::{Builder, Totp};
use two_step_example::users::Users;
use url::Url;
use webauthn_rs::prelude::WebauthnBuilder;

/// What ferris and their authenticator app share. A real application makes one for each user.
const SECRET: &[u8] = b"twenty bytes of it!!";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let totp: Totp = Builder::new().with_secret(SECRET.to_vec()).build()?;
    if std::env::args().nth(1).as_deref() == Some("code") {
        println!("{}", totp.generate_current());
        return Ok(());
    }
    tracing_subscriber::fmt().with_env_filter("info").init();
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is not a port number: {port:?}"))?,
        Err(_) => 3000,
    };
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let site = format!("http://localhost:{}", listener.local_addr()?.port());

    let users = Users::default();
    users.register("ferris", "rustacean", Some(SECRET.to_vec()));
    let passkeys = WebauthnBuilder::new("localhost", &Url::parse(&site)?)?.build()?;
    // For plain HTTP, only on this machine. In production: `Environment::of_process("ANCHOR")`.
    let environment = Environment::of("ANCHOR", [("ANCHOR_DEVELOPMENT", "true")]);
    let app = two_step_example::app(users, None, passkeys.into(), &environment)?;

    println!("Open {site} and log in as ferris / rustacean.");
    println!("Then it asks for a code. Add this key to an authenticator app:");
    println!("    {}", totp.secret().to_base32());
    println!("or let this print the code of the moment: cargo run -p two-step-example code");
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
