//! Measures what sessions cost over loopback, relative to a bare axum handler. The program starts
//! the databases and one process per application, and drives the applications in turn.

use std::cell::RefCell;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use side_by_side::args::{Mode, Store};
use side_by_side::databases::Address;
use side_by_side::fill;
use side_by_side::load::{self, Measured, Until, Work};
use side_by_side::plot::{Bars, bars};
use side_by_side::server::{Server, serve_if_asked};
use side_by_side::statistics::median;
use side_by_side::table::{Table, figure, report};

#[derive(Parser)]
struct Arguments {
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Store::Memory, Store::Sqlite, Store::Postgres, Store::Mysql, Store::Redis,
    ])]
    store: Vec<Store>,
    /// The applications to measure besides bare axum.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Mode::Anchor, Mode::TowerSessions, Mode::AxumSession, Mode::AxumSessionCached,
        Mode::Select, Mode::Gathered,
    ])]
    mode: Vec<Mode>,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Case::Read, Case::Touch, Case::Login, Case::Logout,
    ])]
    case: Vec<Case>,
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
    connections: Vec<usize>,
    /// The length of a turn in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The number of turns per application.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The number of sessions in use.
    #[arg(long, default_value_t = 10_000)]
    live: usize,
    /// The number of sessions in the table.
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Writes the figures to benches/figures.
    #[arg(long)]
    save: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// A guarded read.
    Read,
    /// A guarded read that records the use.
    Touch,
    Login,
    /// The logouts of as many sessions as one turn of logins began.
    Logout,
}

impl Case {
    fn line(self) -> &'static str {
        match self {
            Case::Read => "GET /me",
            Case::Touch => "GET /touch",
            Case::Login => "POST /login",
            Case::Logout => "POST /logout",
        }
    }
}

/// A running application, and the cookies of its users.
struct Contender {
    server: Server,
    cookies: Vec<String>,
    /// Asks Redis for its processor time, if the sessions are there.
    redis: Option<RefCell<redis::Connection>>,
}

/// A turn, and the processor time of one request in it, in microseconds.
struct Turn {
    measured: Measured,
    application: f64,
    redis: f64,
}

impl Contender {
    async fn start(mode: Mode, store: Store, folder: &std::path::Path, args: &Arguments) -> Self {
        let name = mode.to_possible_value().expect("a name").get_name().to_owned();
        let address = match mode {
            Mode::Bare => Address::Memory,
            _ => Address::make(store, &name, folder).await,
        };
        let server = Server::start(mode, store, &address);
        if mode == Mode::Bare {
            return Self { server, cookies: vec!["id=anything".to_owned()], redis: None };
        }
        let redis = (store == Store::Redis).then(|| {
            let client = redis::Client::open(address.url()).expect("a URL");
            RefCell::new(client.get_connection().expect("Redis answers"))
        });
        let log_in = |count| tokio::task::block_in_place(|| server.log_in(count));
        let mut cookies = log_in(args.live);
        let more = args.sessions.saturating_sub(args.live);
        match fill::Table::of(mode, store, &address) {
            Some(table) if more > 0 => {
                table.add(more as u64, false).await;
                table.settle().await;
            }
            Some(table) => table.settle().await,
            None => drop(log_in(more)),
        }
        // Shuffles the cookies: neighbours in the table need not be used one after the other.
        let mut order = 0_usize;
        for index in (1..cookies.len()).rev() {
            order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
            cookies.swap(index, (order >> 33) % (index + 1));
        }
        Self { server, cookies, redis }
    }

    /// Runs one turn, and measures the processor time of its requests.
    fn turn(&self, case: Case, connections: usize, seconds: f64) -> Turn {
        let drive = |line, cookies: &[String], until, keeps_cookies| {
            load::drive(
                self.server.socket,
                Work { line, cookies, connections, until, keeps_cookies },
            )
        };
        let span = Until::Elapsed(Duration::from_secs_f64(seconds));
        let begun = match case {
            Case::Logout => drive("POST /login", &[String::new()], span, true).cookies,
            Case::Login => vec![String::new()],
            Case::Read | Case::Touch => Vec::new(),
        };
        let times = || (self.server.processor_time(), self.redis_time());
        let before = times();
        let measured = match case {
            Case::Read | Case::Touch => drive(case.line(), &self.cookies, span, false),
            Case::Login => drive(case.line(), &begun, span, false),
            Case::Logout => drive(case.line(), &begun, Until::Count(begun.len()), false),
        };
        let after = times();
        let each = |before: Option<Duration>, after: Option<Duration>| match (before, after) {
            (Some(before), Some(after)) => {
                (after - before).as_secs_f64() * 1e6 / measured.all_requests as f64
            }
            _ => f64::NAN,
        };
        let (application, redis) = (each(before.0, after.0), each(before.1, after.1));
        Turn { measured, application, redis }
    }

    /// Returns the processor time that Redis has used.
    fn redis_time(&self) -> Option<Duration> {
        let mut redis = self.redis.as_ref()?.borrow_mut();
        let facts: redis::InfoDict = redis::cmd("INFO").arg("cpu").query(&mut *redis).ok()?;
        let seconds = |name| facts.get::<f64>(name);
        let seconds = seconds("used_cpu_user_main_thread")? + seconds("used_cpu_sys_main_thread")?;
        Some(Duration::from_secs_f64(seconds))
    }

    /// Returns how many statements one request costs, under the same load.
    fn statements(&self, case: Case, connections: usize) -> f64 {
        let count = 2_000.max(connections * 20);
        let begun = match case {
            Case::Logout => self.server.log_in(count),
            Case::Login => vec![String::new()],
            Case::Read | Case::Touch => self.cookies.clone(),
        };
        self.server.control("/statements/start");
        let work = Work {
            line: case.line(),
            cookies: &begun,
            connections,
            until: Until::Count(count),
            keeps_cookies: false,
        };
        let requests = load::drive(self.server.socket, work).requests;
        self.server.control("/statements/stop") as f64 / requests as f64
    }
}

fn main() {
    serve_if_asked();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    for store in &arguments.store {
        let mut modes = vec![Mode::Bare];
        modes.extend(arguments.mode.iter().filter(|mode| **mode != Mode::Bare));
        modes.retain(|mode| mode.runs_on(*store));
        let contenders: Vec<Contender> = modes
            .into_iter()
            .map(|mode| {
                eprintln!("{store}: starting {mode}");
                runtime.block_on(Contender::start(mode, *store, folder.path(), &arguments))
            })
            .collect();
        measure(*store, &contenders, &arguments);
    }
}

fn measure(store: Store, contenders: &[Contender], arguments: &Arguments) {
    let mut text = format!(
        "{} sessions in use of {}; medians of {} turns of {} s; the ratio is relative to bare axum \
         in the same round.\n",
        arguments.live, arguments.sessions, arguments.rounds, arguments.seconds
    );
    let mut plotted = Bars::new("requests per second, relative to bare axum");
    for case in &arguments.case {
        for connections in &arguments.connections {
            let title = format!("`{}`, {connections} connections", case.line());
            eprintln!("{store}: {title}");
            let rounds: Vec<Vec<Turn>> = (0..arguments.rounds)
                .map(|_| {
                    let turn = |contender: &Contender| {
                        contender.turn(*case, *connections, arguments.seconds)
                    };
                    contenders.iter().map(turn).collect()
                })
                .collect();
            let mut table = Table::new([
                "application",
                "ratio",
                "from, to",
                "per second",
                "p50, us",
                "p99, us",
                "processor, us",
                "of Redis, us",
                "statements",
            ]);
            for (index, contender) in contenders.iter().enumerate() {
                let per_second = |turn: &Turn| turn.measured.per_second;
                let ratios =
                    rounds.iter().map(|round| per_second(&round[index]) / per_second(&round[0]));
                let ratio = median(ratios.clone());
                let (least, most) = ratios.fold((f64::INFINITY, 0.0), |(least, most), ratio| {
                    (f64::min(least, ratio), f64::max(most, ratio))
                });
                let of = |measure: fn(&Turn) -> f64| {
                    median(rounds.iter().map(|round| measure(&round[index])))
                };
                let time = |time: f64| match time.is_nan() {
                    true => "-".to_owned(),
                    false => format!("{time:.1}"),
                };
                table.row([
                    contender.server.mode.to_string(),
                    format!("{ratio:.3}"),
                    format!("{least:.3}, {most:.3}"),
                    format!("{:.0}", of(per_second)),
                    format!("{:.0}", of(|turn| turn.measured.quantile(0.5))),
                    format!("{:.0}", of(|turn| turn.measured.quantile(0.99))),
                    time(of(|turn| turn.application)),
                    time(of(|turn| turn.redis)),
                    format!("{:.2}", contender.statements(*case, *connections)),
                ]);
                if index > 0 {
                    plotted.bar(&title.replace('`', ""), &contender.server.mode.to_string(), ratio);
                }
            }
            let section = format!("\n{title}:\n\n{table}");
            eprint!("{section}");
            text += &section;
        }
    }
    let name = format!("loopback_{}", store.to_string().to_lowercase());
    if arguments.save {
        bars(&figure(&format!("{name}.svg")), &format!("{store}, over loopback"), &plotted);
    }
    report(&name, arguments.save, &text);
}
