//! Thinga: which of two things do people like better? A complete application with anchor.
//!
//! | module | what it has |
//! | --- | --- |
//! | [`config`] | the environment variables |
//! | `sessions` | the three kinds of sessions, and their managers |
//! | `accounts` | changes of a user that concern their sessions as well, in one transaction |
//! | `database` | users, things and votes, on SQLite or PostgreSQL |
//! | `routes` | the handlers, one module for each part of the site |
//! | `pages`, `layout`, `flash` | what the templates show |
//! | `live` | the leaderboard as it changes |
//! | `mail`, `password`, `headers`, `error` | what their names say |

mod accounts;
pub mod config;
mod database;
mod error;
mod flash;
mod headers;
mod layout;
mod live;
mod mail;
mod pages;
mod password;
mod routes;
mod sessions;

use std::sync::Arc;

use anchor::manager::Sweeper;
use axum::extract::FromRef;
use forms_example::LoginLimits;

use crate::accounts::UserChange;
use crate::config::Config;
use crate::database::Database;
use crate::live::Live;
use crate::mail::Mailer;
use crate::sessions::{Role, Sessions};

/// What the handlers share. Cheap to clone.
#[derive(Clone, FromRef)]
struct App {
    config: Arc<Config>,
    database: Database,
    sessions: Sessions,
    mailer: Mailer,
    live: Live,
    limits: Arc<LoginLimits>,
}

impl App {
    /// Returns the address that users see.
    fn address(&self) -> String {
        let local = || format!("http://{}", self.config.listen);
        self.config.public_url.clone().unwrap_or_else(local)
    }

    /// Returns the folder in which e-mails are, if they are not sent.
    fn outbox(&self) -> Option<String> {
        self.config.smtp_url.is_none().then(|| self.config.outbox.clone())
    }
}

/// The application, ready to serve.
pub struct Thinga {
    router: axum::Router,
    policies: String,
    sessions: Sessions,
    _sweepers: [Sweeper; 3],
}

/// Why the application did not start.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

impl Thinga {
    /// Connects to everything, brings the tables up to date, and checks the routes.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting is wrong, or something does not answer.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let database = Database::start(&config.database_url).await?;
        let sessions = Sessions::start(&config, &database).await?;
        if let Some(email) = &config.admin_email
            && let Some(found) = database.user_with_email(email).await?
        {
            let admin = UserChange::Role { role: Role::Admin, by: None };
            sessions.change_user(&database, found.user.id, &admin).await?;
        }
        let app = App {
            mailer: Mailer::new(&config)?,
            live: Live::start(database.clone()).await?,
            limits: Arc::default(),
            config: Arc::new(config),
            database,
            sessions: sessions.clone(),
        };
        let routes = routes::routes(&app)?;
        let policies = routes.policies().to_string();
        let router = routes.with_state(app).build()?;
        Ok(Self { router, policies, _sweepers: sessions.sweep(), sessions })
    }

    /// Returns the router, for `axum::serve`, which has to pass the addresses of connections:
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// Returns the table of all routes, with who may call them.
    pub fn policies(&self) -> &str {
        &self.policies
    }

    /// Ends the live pages, and waits for what clients no longer wait for. Call it at the signal to
    /// stop, and once more after the last response.
    pub async fn shutdown(&self) {
        self.sessions.shutdown().await;
    }
}
