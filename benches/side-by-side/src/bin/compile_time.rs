//! Measures what the macros cost a build. Two generated applications have the same routes: one is
//! declared with anchor, and one is written by hand over sqlx. Each is built clean, and again after
//! a change to one handler.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Parser;
use side_by_side::statistics::median;
use side_by_side::table::{Table, report};

#[derive(Parser)]
struct Arguments {
    /// The number of session structs.
    #[arg(long, default_value_t = 10)]
    payloads: usize,
    /// The number of guarded handlers per struct.
    #[arg(long, default_value_t = 10)]
    handlers: usize,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Writes the figures to benches/figures.
    #[arg(long)]
    save: bool,
}

const PACKAGES: [&str; 2] = ["by_hand", "declared"];
/// The text that a change replaces.
const MARK: &str = "unchanged";

fn main() {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/compile_time");
    generate(&root, arguments.payloads, arguments.handlers);
    eprintln!("building the dependencies of both");
    for command in ["build", "check"] {
        cargo(&root, &[command, "--workspace"]);
    }
    // The command, the state before it, and the seconds per package.
    let mut times: Vec<(&str, &str, [Vec<f64>; 2])> = Vec::new();
    for command in ["build", "check"] {
        for state in ["clean", "incremental"] {
            times.push((command, state, [Vec::new(), Vec::new()]));
        }
    }
    for round in 0..arguments.rounds {
        for (command, state, seconds) in &mut times {
            for (package, seconds) in PACKAGES.iter().zip(seconds) {
                if *state == "clean" {
                    cargo(&root, &["clean", "--quiet", "--package", package]);
                } else {
                    cargo(&root, &[command, "--quiet", "--package", package]);
                    change(&root.join(package), &format!("{command}{round}"));
                }
                let begins = Instant::now();
                cargo(&root, &[command, "--quiet", "--package", package]);
                seconds.push(begins.elapsed().as_secs_f64());
            }
        }
    }
    let mut table = Table::new(["command", "by hand, s", "declared, s", "ratio", "from, to"]);
    for (command, state, [by_hand, declared]) in &times {
        let ratios = by_hand.iter().zip(declared).map(|(by_hand, declared)| declared / by_hand);
        let (least, most) = ratios.clone().fold((f64::INFINITY, 0.0), |(least, most), ratio| {
            (f64::min(least, ratio), f64::max(most, ratio))
        });
        table.row([
            format!("cargo {command}, {state}"),
            format!("{:.2}", median(by_hand.iter().copied())),
            format!("{:.2}", median(declared.iter().copied())),
            format!("{:.2}", median(ratios)),
            format!("{least:.2}, {most:.2}"),
        ]);
    }
    let text = format!(
        "{} structs with {} guarded handlers, a login and a logout each, unoptimized, the \
         dependencies built beforehand; medians of {} rounds.\n\n{table}",
        arguments.payloads, arguments.handlers, arguments.rounds
    );
    report("compile_time", arguments.save, &text);
}

/// Runs cargo and waits until it ends.
fn cargo(root: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("CARGO_INCREMENTAL", "1")
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "cargo {}:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Changes the body of the first handler.
fn change(package: &Path, to: &str) {
    let file = package.join("src/payload_0.rs");
    let source = std::fs::read_to_string(&file).expect("a generated file");
    let (before, after) = source.split_once("mark:").expect("a mark");
    let (_, after) = after.split_once('"').expect("the mark's end");
    std::fs::write(file, format!("{before}mark:{to}\"{after}")).expect("a file");
}

fn generate(root: &Path, payloads: usize, handlers: usize) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let anchor = here.join("../../anchor").canonicalize().expect("anchor's folder");
    write(
        root.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"by_hand\", \"declared\"]\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n",
    );
    let lock = std::fs::read_to_string(here.join("Cargo.lock")).expect("a lock file");
    if !root.join("Cargo.lock").exists() {
        write(root.join("Cargo.lock"), &lock);
    }
    for package in PACKAGES {
        let folder = root.join(package);
        let (is_declared, mut manifest) = (package == "declared", String::new());
        let _ = write!(
            manifest,
            "[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n\
             axum = {{ version = \"0.8.9\", default-features = false, features = [\"http1\", \
             \"tokio\"] }}\n\
             sqlx = {{ version = \"0.9\", default-features = false, features = [\"postgres\", \
             \"runtime-tokio\", \"uuid\"] }}\n\
             tokio = {{ version = \"1.54\", features = [\"macros\", \"net\", \
             \"rt-multi-thread\"] }}\n\
             uuid = {{ version = \"1.20\", features = [\"v4\"] }}\n"
        );
        if is_declared {
            let _ = writeln!(
                manifest,
                "axum-anchor = {{ path = \"{}\", default-features = false, features = \
                 [\"postgres\"] }}",
                anchor.display()
            );
        }
        write(folder.join("Cargo.toml"), &manifest);
        let mut modules = String::new();
        let mut merges = String::new();
        for payload in 0..payloads {
            let _ = writeln!(modules, "mod payload_{payload};");
            let _ = writeln!(merges, "        .merge(payload_{payload}::routes(&pool))");
            let source =
                if is_declared { declared(payload, handlers) } else { by_hand(payload, handlers) };
            write(folder.join(format!("src/payload_{payload}.rs")), &source);
        }
        write(
            folder.join("src/main.rs"),
            &format!(
                "{modules}
#[tokio::main]
async fn main() {{
    let url = std::env::var(\"DATABASE_URL\").expect(\"DATABASE_URL\");
    let pool = sqlx::PgPool::connect(&url).await.expect(\"a database\");
    let app = axum::Router::new()
{merges};
    let listener = tokio::net::TcpListener::bind(\"127.0.0.1:0\").await.expect(\"a port\");
    axum::serve(listener, app).await.expect(\"to serve\");
}}
"
            ),
        );
    }
}

/// Writes a file. If it already has this text, it is left alone and keeps its modification time.
fn write(file: PathBuf, text: &str) {
    if std::fs::read_to_string(&file).is_ok_and(|existing| existing == text) {
        return;
    }
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(file, text).expect("a file");
}

fn routes(payload: usize, handlers: usize) -> String {
    (0..handlers).fold(String::new(), |mut routes, handler| {
        let _ = writeln!(
            routes,
            "        .route(\"/payload{payload}/handler{handler}\", get(handler_{handler}))"
        );
        routes
    })
}

/// Returns the body of a handler, which is the same in both applications.
fn body(payload: usize, handler: usize) -> String {
    let mark = if handler == 0 { format!(" mark:{MARK}") } else { String::new() };
    format!(
        "    let theme = session.theme.as_deref().unwrap_or(\"light\");
    format!(\"{{}} {{}} {{theme}} {payload} {handler}{mark}\", session.name, session.visits)
"
    )
}

fn declared(payload: usize, handlers: usize) -> String {
    let mut source = format!(
        r#"use anchor::prelude::*;
use axum::Router;
use axum::routing::{{get, post}};
use sqlx::PgPool;

#[derive(Clone, SessionData)]
#[session(table = "sessions_{payload}", cookie = "__Host-id{payload}")]
pub struct UserSession {{
    #[session(subject)]
    user_id: i64,
    name: String,
    theme: Option<String>,
    visits: i64,
    is_admin: bool,
}}

async fn login(auth: Auth<UserSession>) -> Result<(), anchor::Error> {{
    let name = "ferris".to_owned();
    auth.login(UserSession {{ user_id: 1, name, theme: None, visits: 0, is_admin: false }}).await?;
    Ok(())
}}

#[logout(UserSession)]
async fn logout() {{}}
"#
    );
    for handler in 0..handlers {
        let _ = write!(
            source,
            "
#[require_session(UserSession)]
async fn handler_{handler}(session: Session<UserSession>) -> String {{
{}}}
",
            body(payload, handler)
        );
    }
    let _ = write!(
        source,
        r#"
pub fn routes(pool: &PgPool) -> Router {{
    let sessions = SessionManager::<UserSession>::builder(PostgresStore::new(pool.clone()))
        .keys(KeyRing::generate().expect("randomness"))
        .build()
        .expect("settings that work");
    Router::new()
        .route("/payload{payload}/login", post(login))
        .route("/payload{payload}/logout", post(logout))
{}        .layer(sessions.layer())
}}
"#,
        routes(payload, handlers)
    );
    source
}

fn by_hand(payload: usize, handlers: usize) -> String {
    let mut source = format!(
        r#"use axum::Router;
use axum::extract::{{FromRequestParts, State}};
use axum::http::header::{{COOKIE, SET_COOKIE}};
use axum::http::request::Parts;
use axum::http::{{HeaderMap, StatusCode}};
use axum::response::{{AppendHeaders, IntoResponse}};
use axum::routing::{{get, post}};
use sqlx::postgres::PgRow;
use sqlx::{{PgPool, Row}};
use uuid::Uuid;

pub struct UserSession {{
    name: String,
    theme: Option<String>,
    visits: i64,
}}

impl UserSession {{
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {{
        let _: i64 = row.try_get("user_id")?;
        let _: bool = row.try_get("is_admin")?;
        Ok(Self {{
            name: row.try_get("name")?,
            theme: row.try_get("theme")?,
            visits: row.try_get("visits")?,
        }})
    }}
}}

fn presented(headers: &HeaderMap) -> Option<Uuid> {{
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    let value = cookies.split("; ").find_map(|pair| pair.strip_prefix("__Host-id{payload}="))?;
    value.parse().ok()
}}

impl FromRequestParts<PgPool> for UserSession {{
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, pool: &PgPool) -> Result<Self, StatusCode> {{
        let id = presented(&parts.headers).ok_or(StatusCode::UNAUTHORIZED)?;
        let row = sqlx::query(
            "SELECT user_id, name, theme, visits, is_admin FROM sessions_{payload} \
             WHERE id = $1 AND expires_at > now()",
        )
        .bind(id)
        .fetch_optional(pool)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let row = row.ok_or(StatusCode::UNAUTHORIZED)?;
        UserSession::from_row(&row).map_err(|_| StatusCode::UNAUTHORIZED)
    }}
}}

async fn login(State(pool): State<PgPool>) -> Result<impl IntoResponse, StatusCode> {{
    let id = Uuid::new_v4();
    sqlx::query(
        "INSERT INTO sessions_{payload} (id, user_id, name, theme, visits, is_admin, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, now() + interval '2 hours')",
    )
    .bind(id)
    .bind(1_i64)
    .bind("ferris")
    .bind(None::<String>)
    .bind(0_i64)
    .bind(false)
    .execute(&pool)
    .await
    .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let cookie = format!("__Host-id{payload}={{id}}; Secure; HttpOnly; SameSite=Lax; Path=/");
    Ok(AppendHeaders([(SET_COOKIE, cookie)]))
}}

async fn logout(
    State(pool): State<PgPool>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, StatusCode> {{
    let id = presented(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    sqlx::query("DELETE FROM sessions_{payload} WHERE id = $1")
        .bind(id)
        .execute(&pool)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(AppendHeaders([(SET_COOKIE, "__Host-id{payload}=; Secure; Path=/; Max-Age=0")]))
}}
"#
    );
    for handler in 0..handlers {
        let _ = write!(
            source,
            "
async fn handler_{handler}(session: UserSession) -> String {{
{}}}
",
            body(payload, handler)
        );
    }
    let _ = write!(
        source,
        r#"
pub fn routes(pool: &PgPool) -> Router {{
    Router::new()
        .route("/payload{payload}/login", post(login))
        .route("/payload{payload}/logout", post(logout))
{}        .with_state(pool.clone())
}}
"#,
        routes(payload, handlers)
    );
    source
}
