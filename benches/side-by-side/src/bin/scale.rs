//! Measures what many sessions cost: lookup time and bytes by the size of the table, and a live
//! load during the sweep of expired rows.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use side_by_side::args::{Mode, Store};
use side_by_side::databases::Address;
use side_by_side::fill;
use side_by_side::load::{self, Measured, Until, Work};
use side_by_side::plot::lines;
use side_by_side::server::{Server, serve_if_asked};
use side_by_side::statistics::median;
use side_by_side::table::{Table, figure, report};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A guarded read, and the bytes of a session, by the size of the table.
    Lookup(Lookup),
    /// The p99 of guarded reads during the sweep of expired rows, relative to the p99 without it.
    Sweep(Sweep),
}

#[derive(Args)]
struct Lookup {
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Store::Memory, Store::Sqlite, Store::Postgres, Store::Mysql,
    ])]
    store: Vec<Store>,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Mode::Anchor, Mode::TowerSessions, Mode::Select,
    ])]
    mode: Vec<Mode>,
    /// The sizes of the table, in ascending order.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000, 1_000_000])]
    sessions: Vec<u64>,
    /// The length of a turn in seconds.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The number of measurements per size.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Writes the figures to benches/figures.
    #[arg(long)]
    save: bool,
}

#[derive(Args)]
struct Sweep {
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Store::Sqlite, Store::Postgres, Store::Mysql,
    ])]
    store: Vec<Store>,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Mode::Anchor, Mode::TowerSessions,
    ])]
    mode: Vec<Mode>,
    #[arg(long, default_value_t = 500_000)]
    expired: u64,
    #[arg(long, default_value_t = 10_000)]
    live: usize,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// The length of a turn in seconds.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The number of turns without a sweep.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Writes the figures to benches/figures.
    #[arg(long)]
    save: bool,
}

fn main() {
    serve_if_asked();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    match Arguments::parse().what {
        What::Lookup(arguments) => runtime.block_on(lookup(&arguments, folder.path())),
        What::Sweep(arguments) => runtime.block_on(sweep(&arguments, folder.path())),
    }
}

/// Sends guarded reads with these cookies, from a separate thread.
async fn read(server: &Server, cookies: &[String], connections: usize, seconds: f64) -> Measured {
    let (socket, cookies) = (server.socket, cookies.to_vec());
    let until = Until::Elapsed(Duration::from_secs_f64(seconds));
    let driving = move || {
        let work =
            Work { line: "GET /me", cookies: &cookies, connections, until, keeps_cookies: false };
        load::drive(socket, work)
    };
    tokio::task::spawn_blocking(driving).await.expect("no panic")
}

async fn log_in(server: &Server, count: u64) -> Vec<String> {
    tokio::task::block_in_place(|| server.log_in(count as usize))
}

fn name_of(mode: Mode) -> String {
    mode.to_possible_value().expect("a name").get_name().to_owned()
}

async fn lookup(arguments: &Lookup, folder: &Path) {
    let mut text = format!(
        "Guarded reads over loopback, medians of {} turns of {} s; bytes are those of the table \
         and its indexes. `benches/run memory` reports the bytes of the memory stores.\n",
        arguments.rounds, arguments.seconds
    );
    for store in &arguments.store {
        let mut table = Table::new([
            "application",
            "sessions",
            "p50, us, 1 connection",
            "to the smallest",
            "per second, 64 connections",
            "bytes per session",
        ]);
        let mut plotted = Vec::new();
        for mode in arguments.mode.iter().filter(|mode| mode.runs_on(*store)) {
            let address = Address::make(*store, &name_of(*mode), folder).await;
            let server = Server::start(*mode, *store, &address);
            let rows = fill::Table::of(*mode, *store, &address);
            let (mut existing, mut cookies, mut points) = (0, Vec::new(), Vec::new());
            for size in &arguments.sessions {
                eprintln!("{store}: {mode}, {size} sessions");
                let more = size.saturating_sub(existing);
                // The sessions in use are spread over the table, because each size adds some.
                let logins = if rows.is_some() { more.min(2_500) } else { more };
                cookies.extend(log_in(&server, logins).await.into_iter().take(10_000));
                if let Some(rows) = &rows {
                    if more > logins {
                        rows.add(more - logins, false).await;
                    }
                    rows.settle().await;
                }
                existing = *size;
                let (mut alone, mut together) = (Vec::new(), Vec::new());
                for _ in 0..arguments.rounds {
                    let measured = read(&server, &cookies, 1, arguments.seconds).await;
                    alone.push(measured.quantile(0.5));
                    let measured = read(&server, &cookies, 64, arguments.seconds).await;
                    together.push(measured.per_second);
                }
                let alone = median(alone);
                points.push((*size as f64, alone));
                let bytes = match &rows {
                    None => "-".to_owned(),
                    Some(rows) => {
                        format!("{:.0}", rows.bytes().await as f64 / rows.rows().await as f64)
                    }
                };
                table.row([
                    mode.to_string(),
                    size.to_string(),
                    format!("{alone:.0}"),
                    format!("{:.2}", alone / points[0].1),
                    format!("{:.0}", median(together)),
                    bytes,
                ]);
            }
            plotted.push((mode.to_string(), points));
        }
        if arguments.save {
            let file = figure(&format!("lookup_{}.svg", store.to_string().to_lowercase()));
            let title = format!("{store}: a guarded read over loopback, 1 connection");
            lines(&file, &title, ["sessions in the table", "p50, us"], &plotted);
        }
        let section = format!("\n{store}:\n\n{table}");
        eprint!("{section}");
        text += &section;
    }
    report("lookup", arguments.save, &text);
}

async fn sweep(arguments: &Sweep, folder: &Path) {
    let mut text = format!(
        "Guarded reads over {} live sessions by {} connections, alone ({} turns of {} s) and \
         while {} expired rows are swept; medians.\n",
        arguments.live,
        arguments.connections,
        arguments.rounds,
        arguments.seconds,
        arguments.expired
    );
    let mut table = Table::new([
        "store, application",
        "p99 alone, us",
        "p99 beside, us",
        "ratio",
        "slowest alone, us",
        "slowest beside, us",
        "per second, ratio",
        "sweep, s",
    ]);
    for store in &arguments.store {
        for mode in arguments.mode.iter().filter(|mode| mode.runs_on(*store)) {
            eprintln!("{store}: {mode}");
            let address = Address::make(*store, &name_of(*mode), folder).await;
            let server = Server::start(*mode, *store, &address);
            let cookies = log_in(&server, arguments.live as u64).await;
            let rows = fill::Table::of(*mode, *store, &address);
            let rows = rows.unwrap_or_else(|| panic!("{store} has no table to fill"));
            rows.add(arguments.expired, true).await;
            rows.settle().await;
            let mut alone = Vec::new();
            for _ in 0..arguments.rounds {
                let measured = read(&server, &cookies, arguments.connections, arguments.seconds);
                alone.push(measured.await);
            }
            let mut beside = Vec::new();
            let milliseconds = std::thread::scope(|scope| {
                let sweeping = scope.spawn(|| server.control("/sweep"));
                tokio::task::block_in_place(|| {
                    // A turn in which the sweep ended counts only if there is no other turn.
                    while beside.is_empty() || !sweeping.is_finished() {
                        let turn =
                            read(&server, &cookies, arguments.connections, arguments.seconds);
                        let turn = tokio::runtime::Handle::current().block_on(turn);
                        if beside.is_empty() || !sweeping.is_finished() {
                            beside.push(turn);
                        }
                    }
                });
                sweeping.join().expect("no panic")
            });
            assert_eq!(rows.rows().await, arguments.live as u64, "the sweep removed the expired");
            let of = |turns: &[Measured], measure: fn(&Measured) -> f64| {
                median(turns.iter().map(measure))
            };
            let p99 = |turns: &[Measured]| of(turns, |turn| turn.quantile(0.99));
            let slowest = |turns: &[Measured]| of(turns, |turn| turn.quantile(1.0));
            let per_second = |turns: &[Measured]| of(turns, |turn| turn.per_second);
            table.row([
                format!("{store}, {mode}"),
                format!("{:.0}", p99(&alone)),
                format!("{:.0}", p99(&beside)),
                format!("{:.2}", p99(&beside) / p99(&alone)),
                format!("{:.0}", slowest(&alone)),
                format!("{:.0}", slowest(&beside)),
                format!("{:.2}", per_second(&beside) / per_second(&alone)),
                format!("{:.1}", milliseconds as f64 / 1_000.0),
            ]);
        }
    }
    text += &format!("\n{table}");
    report("sweep", arguments.save, &text);
}
