//! An application with actix-session.

use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::web::{Data, Form, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, get, post};
use serde::Deserialize;
use sqlx::PgPool;

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// Serves the application, until its process ends.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    pool: PgPool,
    redis: &str,
    key: Key,
) -> std::io::Result<()> {
    let store = RedisSessionStore::new(redis).await.map_err(std::io::Error::other)?;
    HttpServer::new(move || {
        App::new()
            .wrap(SessionMiddleware::new(store.clone(), key.clone()))
            .app_data(Data::new(pool.clone()))
            .configure(routes)
    })
    .workers(1)
    .disable_signals()
    .listen(listener)?
    .run()
    .await
}

fn routes(config: &mut ServiceConfig) {
    config.service(login).service(me).service(logout);
}

#[post("/login")]
async fn login(
    session: Session,
    pool: Data<PgPool>,
    Form(form): Form<Credentials>,
) -> actix_web::Result<HttpResponse> {
    let user: Result<Option<(i64, String)>, _> =
        sqlx::query_as("SELECT id, password_hash FROM users WHERE name = $1")
            .bind(form.name)
            .fetch_optional(&**pool)
            .await;
    match user {
        Ok(Some((id, hash))) if password_auth::verify_password(form.password, &hash).is_ok() => {
            session.renew();
            session.insert("user_id", id)?;
            Ok(HttpResponse::NoContent().finish())
        }
        _ => Ok(HttpResponse::Unauthorized().finish()),
    }
}

#[get("/me")]
async fn me(session: Session) -> actix_web::Result<HttpResponse> {
    Ok(match session.get::<i64>("user_id")? {
        Some(user_id) => HttpResponse::Ok().json(user_id),
        None => HttpResponse::Unauthorized().finish(),
    })
}

#[post("/logout")]
async fn logout(session: Session) -> HttpResponse {
    session.purge();
    HttpResponse::NoContent().finish()
}
