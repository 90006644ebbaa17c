//! Registration. The account begins when its address is confirmed.

use anchor::manager::OneTimeTokens;
use anchor::prelude::*;
use anchor::routing::{Router, get};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::ClientIp;
use super::login::begin_session;
use crate::App;
use crate::error::AppError;
use crate::flash::Message;
use crate::layout::Layout;
use crate::pages::{Confirm, Page, Register, Registered};
use crate::password;
use crate::sessions::{Guest, Registration, Role, UserSession};

/// The longest address: RFC 5321 4.5.3.1.3, without the angle brackets.
const LONGEST_EMAIL: usize = 254;
/// The longest name, in characters.
const LONGEST_NAME: usize = 40;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/register", get(form).post(register))
        .route("/confirm/{token}", get(link).post(confirm))
}

#[public]
async fn form(layout: Layout) -> Page<Register> {
    Page(Register { layout, fault: None, name: String::new(), email: String::new() })
}

#[derive(Deserialize)]
struct RegisterForm {
    name: String,
    email: String,
    password: String,
}

/// Sends a link. The answer is the same for an address that has an account already.
#[public]
async fn register(
    layout: Layout,
    ClientIp(ip): ClientIp,
    State(app): State<App>,
    Form(form): Form<RegisterForm>,
) -> Result<Response, AppError> {
    let (name, email) = (form.name.trim().to_owned(), form.email.trim().to_lowercase());
    let address = app.mailer.recipient(&email).filter(|_| email.len() <= LONGEST_EMAIL);
    let (address, fault) = match (address, name_fault(&name)) {
        (None, _) => (None, Some("That is not an e-mail address.")),
        (Some(_), Some(fault)) => (None, Some(fault)),
        (Some(address), None) => (Some(address), password::fault(&form.password, &email, &name)),
    };
    let (Some(address), None) = (address, fault) else {
        let page = Page(Register { layout, fault, name, email });
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    app.limits.check(&registration_of(&email), ip)?;
    // Before the account is looked for, so that both answers take as long.
    let password_hash = password::hash(form.password).await?;
    if app.database.user_with_email(&email).await?.is_some() {
        let link = format!("{}/login", app.address());
        app.mailer.has_account(&address, &link).await?;
    } else {
        let registration = Registration { email: email.clone(), name, password_hash };
        let token = app.sessions.registrations.issue(registration).await?;
        let link = format!("{}/confirm/{}", app.address(), token.expose());
        app.mailer.confirm(&address, &link).await?;
    }
    let outbox = app.outbox();
    Ok(Page(Registered { layout, email, outbox }).into_response())
}

/// Returns the name of a limit apart from that of the account's logins, so that nobody keeps a user
/// out by registering with their address.
fn registration_of(email: &str) -> String {
    format!("registration of {email}")
}

/// Returns the name of a limit that only those use up who have a link, so that nobody keeps a user
/// from confirming by registering with their address. Nor does a registration end the links of
/// earlier ones: [`Registration`].
fn confirmation_of(email: &str) -> String {
    format!("confirmation of {email}")
}

/// Says what is wrong with a name, if anything.
pub(super) fn name_fault(name: &str) -> Option<&'static str> {
    let is_good =
        (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    (!is_good).then_some("Take a name of 1 to 40 characters.")
}

/// The page that the link opens. It redeems nothing: programs that scan e-mails open links, too.
#[public]
async fn link(
    layout: Layout,
    Path(token): Path<String>,
    State(app): State<App>,
) -> Result<Page<Confirm>, AppError> {
    let email = app.sessions.registrations.peek(&token).await?.map(|found| found.email);
    Ok(Page(Confirm { layout, email, fault: None }))
}

#[derive(Deserialize)]
struct ConfirmForm {
    password: String,
}

/// Creates the account, and logs in. The password shows that whoever got the e-mail is also who
/// registered: otherwise somebody could register with another's address and a password of their
/// own, and wait for the owner to click.
#[public]
#[expect(clippy::too_many_arguments, reason = "each is an extractor")]
async fn confirm(
    layout: Layout,
    ClientIp(ip): ClientIp,
    guest: Auth<Guest>,
    auth: Auth<UserSession>,
    State(app): State<App>,
    Path(token): Path<String>,
    Form(form): Form<ConfirmForm>,
) -> Result<Response, AppError> {
    let registrations = &app.sessions.registrations;
    let Some(found) = registrations.peek(&token).await? else { return Ok(gone(layout)) };
    app.limits.check(&confirmation_of(&found.email), ip)?;
    if !password::is_right(form.password, Some(found.password_hash)).await? {
        let fault = Some("That is not the password that you registered with.");
        let page = Page(Confirm { layout, email: Some(found.email), fault });
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    }
    // The token comes last, because it is used up afterwards.
    let Some(Registration { email, name, password_hash }) = registrations.redeem(&token).await?
    else {
        return Ok(gone(layout));
    };
    let id = Uuid::new_v4();
    let is_admin = app.config.admin_email.as_deref() == Some(email.as_str());
    let role = if is_admin { Role::Admin } else { Role::Member };
    if !app.database.create_user(id, &email, &name, &password_hash, role).await? {
        // Another link of the same address was faster.
        return Ok(Redirect::to("/login").into_response());
    }
    end_other_links(registrations, &email).await?;
    let welcome = |name, votes| Message::Confirmed { name, votes };
    begin_session(&app, &auth, &guest, (id, name, role), true, welcome).await?;
    Ok(Redirect::to("/profile").into_response())
}

/// What else was registered for this address, by whomever, is not confirmed any more.
async fn end_other_links(
    registrations: &OneTimeTokens<Registration>,
    email: &String,
) -> Result<(), AppError> {
    registrations.manager().revoke_subject(email).await?;
    Ok(())
}

fn gone(layout: Layout) -> Response {
    let page = Page(Confirm { layout, email: None, fault: None });
    (StatusCode::GONE, page).into_response()
}
