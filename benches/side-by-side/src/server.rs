//! An application in a separate process, which the measuring program starts from its own
//! executable.
//!
//! In addition to the application's routes, the server has `POST /statements/start` and
//! `/statements/stop`, and `POST /sweep`.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::apps::{self, App};
use crate::args::{Mode, Store};
use crate::commands::Commands;
use crate::databases::Address;
use crate::load::{self, Until, Work};
use crate::statements;

/// The first argument of a server process.
const SERVE: &str = "serve-application";

#[derive(Deserialize, Serialize)]
struct Task {
    mode: Mode,
    store: Store,
    address: Address,
}

/// A server that stops when this value is dropped or this process ends.
pub struct Server {
    pub mode: Mode,
    pub socket: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts an application and waits until it listens.
    ///
    /// # Panics
    ///
    /// Panics if it does not listen.
    pub fn start(mode: Mode, store: Store, address: &Address) -> Self {
        let task = Task { mode, store, address: address.clone() };
        let this_program = std::env::current_exe().expect("this program's path");
        let mut process = Command::new(this_program)
            .arg(SERVE)
            .arg(serde_json::to_string(&task).expect("JSON"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let socket = line.trim().parse();
        let socket = socket.unwrap_or_else(|_| panic!("`{mode}` did not start on {store}"));
        Self { mode, socket, process }
    }

    /// Begins `count` sessions by logging in, and returns the cookies of each.
    pub fn log_in(&self, count: usize) -> Vec<String> {
        let work = Work {
            line: "POST /login",
            cookies: &[String::new()],
            connections: 64,
            until: Until::Count(count),
            keeps_cookies: true,
        };
        load::drive(self.socket, work).cookies
    }

    /// Returns the processor time that the application has used, if the system shows it as Linux
    /// does. On a busy machine it varies less than the requests per second.
    pub fn processor_time(&self) -> Option<Duration> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).ok()?;
        let nanoseconds = threads.filter_map(|thread| {
            let times = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            times.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanoseconds.sum()))
    }

    /// Sends a request to one of the server's additional routes, and returns the number in the
    /// response.
    ///
    /// # Panics
    ///
    /// Panics if the response is not a number.
    pub fn control(&self, path: &str) -> u64 {
        use std::io::Write;

        let mut stream = std::net::TcpStream::connect(self.socket).expect("a connection");
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("the server writes");
        let (_, number) = response.rsplit_once("\r\n").expect("a body");
        number.parse().unwrap_or_else(|_| panic!("{path}: {response}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves an application and does not return, if this process was started for that. This is the
/// first call in `main`.
///
/// # Panics
///
/// Panics if the application cannot be served.
pub fn serve_if_asked() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(SERVE) {
        return;
    }
    let task: Task = serde_json::from_str(&arguments.next().expect("a task")).expect("JSON");
    // The pipe ends when the program that started this one ends.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    statements::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let App { router, sweep } = apps::application(task.mode, task.store, &task.address).await;
        let commands = (task.store == Store::Redis && task.mode != Mode::Bare)
            .then(|| Arc::new(Commands::of(task.address.url())));
        let counted = commands.clone();
        let control = Router::new()
            .route(
                "/statements/start",
                post(async move || {
                    match &commands {
                        Some(commands) => commands.start(),
                        None => statements::start(),
                    }
                    "0"
                }),
            )
            .route(
                "/statements/stop",
                post(async move || match &counted {
                    Some(commands) => commands.stop().to_string(),
                    None => statements::stop().to_string(),
                }),
            )
            .route(
                "/sweep",
                post(async move || {
                    let begins = Instant::now();
                    sweep.expect("an application that sweeps")().await;
                    begins.elapsed().as_millis().to_string()
                }),
            );
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, router.merge(control)).await.expect("to serve");
    });
    std::process::exit(0);
}
