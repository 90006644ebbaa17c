//! Measures what a session costs in the memory stores: its bytes, and the slowest login while the
//! store grows.

use std::time::Instant;

use axum::body::Body;
use axum::http::Request;
use clap::Parser;
use side_by_side::apps;
use side_by_side::args::{Mode, Store};
use side_by_side::counting::{Counting, live_bytes};
use side_by_side::databases::Address;
use side_by_side::table::{Table, report};
use tower::ServiceExt;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Parser)]
struct Arguments {
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Mode::Anchor, Mode::TowerSessions, Mode::AxumSession, Mode::Select,
    ])]
    mode: Vec<Mode>,
    /// The number of sessions to begin.
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// Writes the figures to benches/figures.
    #[arg(long)]
    save: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = Arguments::parse();
    let mut table = Table::new([
        "application",
        "sessions",
        "bytes per session",
        "login p50, us",
        "login p99.9, us",
        "slowest login, ms",
    ]);
    for mode in arguments.mode {
        let router = apps::application(mode, Store::Memory, &Address::Memory).await.router;
        let router = router.with_state(());
        let mut times: Vec<u32> = Vec::with_capacity(arguments.sessions as usize);
        let before = live_bytes();
        let mut sessions = 1_000;
        for number in 1..=arguments.sessions {
            let login = Request::post("/login").body(Body::empty()).expect("a request");
            let begins = Instant::now();
            let response = router.clone().oneshot(login).await.expect("infallible");
            times.push(begins.elapsed().as_nanos() as u32);
            assert!(response.status().is_success(), "{mode}: {}", response.status());
            drop(response);
            if number == sessions || number == arguments.sessions {
                let mut sorted = times.clone();
                let bytes = live_bytes() - before - sorted.capacity() as u64 * 4;
                sorted.sort_unstable();
                let microseconds = |share: f64| {
                    f64::from(sorted[(sorted.len() as f64 * share) as usize]) / 1_000.0
                };
                table.row([
                    mode.to_string(),
                    number.to_string(),
                    format!("{:.0}", bytes as f64 / f64::from(number)),
                    format!("{:.1}", microseconds(0.5)),
                    format!("{:.1}", microseconds(0.999)),
                    format!("{:.2}", f64::from(sorted[sorted.len() - 1]) / 1e6),
                ]);
                sessions *= 10;
            }
        }
    }
    let text = format!(
        "Sessions with a `user_id: i64` and a `name` of {} bytes, begun one after another.\n\n\
         {table}",
        apps::NAME.len()
    );
    report("memory", arguments.save, &text);
}
