//! Measures what a request costs in process, in time and allocations, with the rows in memory. The
//! program uses no sockets and only one thread, and the applications take turns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Request, header};
use clap::Parser;
use side_by_side::apps;
use side_by_side::args::{Mode, Store};
use side_by_side::counting::{Counting, allocations};
use side_by_side::databases::Address;
use side_by_side::plot::{Bars, bars};
use side_by_side::statistics::median;
use side_by_side::table::{Table, figure, report};
use tower::ServiceExt;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Parser)]
struct Arguments {
    /// The applications to measure besides the empty layer.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Mode::Bare, Mode::Anchor, Mode::TowerSessions, Mode::AxumLogin, Mode::AxumSession,
        Mode::Select,
    ])]
    mode: Vec<Mode>,
    /// The number of sessions. The requests use them in turn.
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
    /// The number of turns per application.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// The length of a turn in milliseconds.
    #[arg(long, default_value_t = 100)]
    milliseconds: u64,
    /// Writes the figures to benches/figures.
    #[arg(long)]
    save: bool,
}

const PATHS: [&str; 2] = ["/me", "/open"];

struct Contender {
    mode: Mode,
    router: Router<()>,
    cookies: Vec<HeaderValue>,
    next: usize,
    /// For each path, the time of each turn in nanoseconds.
    times: [Vec<f64>; PATHS.len()],
    allocations: [u64; PATHS.len()],
}

impl Contender {
    async fn new(mode: Mode, sessions: usize) -> Self {
        let app = apps::application(mode, Store::Memory, &Address::Memory).await;
        // `axum::serve` does this with a router, once.
        let router = app.router.with_state(());
        let mut cookies = Vec::with_capacity(sessions);
        for _ in 0..sessions {
            let login = Request::post("/login").body(Body::empty()).expect("a request");
            let response = router.clone().oneshot(login).await.expect("infallible");
            assert!(response.status().is_success(), "{mode}: {}", response.status());
            let pairs: Vec<&str> = response
                .headers()
                .get_all(header::SET_COOKIE)
                .iter()
                .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
                .collect();
            cookies.push(pairs.join("; ").parse().expect("a header's value"));
        }
        let times = [const { Vec::new() }; PATHS.len()];
        Self { mode, router, cookies, next: 0, times, allocations: [u64::MAX; PATHS.len()] }
    }

    /// Sends one request, and returns the allocations from the call of the router to its response.
    async fn call(&mut self, path: &'static str) -> u64 {
        self.next = (self.next + 1) % self.cookies.len();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = axum::http::Uri::from_static(path);
        request.headers_mut().insert(header::COOKIE, self.cookies[self.next].clone());
        let router = self.router.clone();
        let before = allocations();
        let response = router.oneshot(black_box(request)).await.expect("infallible");
        let after = allocations();
        assert_eq!(response.status(), 200, "{}: {path}", self.mode);
        assert_eq!(response.body().size_hint().exact(), Some(apps::NAME.len() as u64));
        after - before
    }

    async fn turn(&mut self, index: usize, span: Duration) {
        let path = PATHS[index];
        for _ in 0..1_000 {
            let allocations = self.call(path).await;
            self.allocations[index] = self.allocations[index].min(allocations);
        }
        let (mut requests, begins) = (0_u32, Instant::now());
        while begins.elapsed() < span {
            for _ in 0..256 {
                self.call(path).await;
            }
            requests += 256;
        }
        self.times[index].push(begins.elapsed().as_nanos() as f64 / f64::from(requests));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = Arguments::parse();
    let mut contenders = vec![Contender::new(Mode::Layer, 1).await];
    for mode in arguments.mode.iter().filter(|mode| **mode != Mode::Layer) {
        contenders.push(Contender::new(*mode, arguments.sessions).await);
    }
    for _ in 0..arguments.rounds {
        for index in 0..PATHS.len() {
            for contender in &mut contenders {
                contender.turn(index, Duration::from_millis(arguments.milliseconds)).await;
            }
        }
    }
    let mut text = String::from(
        "Nanoseconds and allocations per request, medians; \"over\" is the difference to the same \
         handler under a tower layer that does nothing, in the same turn.\n",
    );
    for (index, path) in PATHS.iter().enumerate() {
        let mut table =
            Table::new(["application", "ns", "over, ns", "ratio", "allocations", "over"]);
        let mut plotted = Bars::new("over an empty layer, ns");
        let layer = contenders[0].times[index].clone();
        let least = contenders[0].allocations[index];
        for contender in &contenders {
            let times = &contender.times[index];
            let over = median(times.iter().zip(&layer).map(|(time, layer)| time - layer));
            let ratio = median(times.iter().zip(&layer).map(|(time, layer)| time / layer));
            let allocations = contender.allocations[index];
            table.row([
                contender.mode.to_string(),
                format!("{:.0}", median(times.iter().copied())),
                format!("{over:+.0}"),
                format!("{ratio:.2}"),
                allocations.to_string(),
                format!("{:+}", allocations as i64 - least as i64),
            ]);
            if !matches!(contender.mode, Mode::Bare | Mode::Layer) {
                plotted.bar("", &contender.mode.to_string(), over);
            }
        }
        text += &format!("\n`GET {path}`:\n\n{table}");
        if arguments.save {
            let file = figure(&format!("in_process{}.svg", path.replace('/', "_")));
            bars(&file, &format!("GET {path} in process, rows in memory"), &plotted);
        }
    }
    report("in_process", arguments.save, &text);
}
