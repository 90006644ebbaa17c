//! Starts PgBouncer in front of the PostgreSQL of the tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;
use std::sync::LazyLock;

use sqlx::postgres::PgConnectOptions;

use super::postgres::Owner;
use super::supervised::{Supervised, free_port, make_folder};
use super::{POSTGRES, Running, programs};

/// Names another program than Debian's.
const VARIABLE: &str = "ANCHOR_TEST_PGBOUNCER";

/// How many schemas can be chosen by the name of a database.
const SCHEMAS: usize = 400;

/// Every database of the server can be reached under its name. The pool of each is so small that
/// clients share connections all the time.
const SETTINGS: &str = "
listen_addr = 127.0.0.1
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
server_idle_timeout = 2
ignore_startup_parameters = extra_float_digits
";

/// Starts it with these settings in addition. A setting may be repeated: the last one counts.
pub(super) fn start_with(settings: &[&str]) -> Result<Running, String> {
    let program = program().ok_or("install PgBouncer (`apt-get install pgbouncer`)")?;
    let server = POSTGRES.url().ok_or("there is no PostgreSQL to put it in front of")?;
    let options = PgConnectOptions::from_str(server).map_err(|error| error.to_string())?;
    let (host, port, user) = (options.get_host(), options.get_port(), options.get_username());
    let password = match server.split('@').next().and_then(|place| place.split(':').nth(2)) {
        Some(password) => format!(" password={password}"),
        None => String::new(),
    };

    let folder = make_folder("pgbouncer")?;
    let owner = Owner::of_server_in(&folder)?;
    let port_of_its_own = free_port()?;
    let settings = settings.join("\n");
    let file = folder.join("pgbouncer.ini");
    let place = format!("host={host} port={port} user={user}{password}");
    let database = options.get_database().unwrap_or("postgres");
    let mut text = format!("[databases]\n* = {place}\n");
    for number in 0..SCHEMAS {
        let schema = schema(number);
        text += &format!("{schema} = {place} dbname={database} ");
        text += &format!("connect_query = 'SET search_path = {schema}'\n");
    }
    text += &format!("[pgbouncer]\nlisten_port = {port_of_its_own}\n{SETTINGS}{settings}\n");
    fs::write(&file, text).map_err(|error| error.to_string())?;

    let mut command = owner.command(&program);
    command.arg(&file);
    let supervised = Supervised::start(&folder, "KILL", &command, "process up")?;
    let url = format!("postgres://{user}@127.0.0.1:{port_of_its_own}/{database}");
    Ok(Running { url, supervised: vec![supervised] })
}

/// The name of a schema, which is also that of a database of PgBouncer: on its connections, the
/// schema is chosen already. It takes a moment to make one, and much longer to make a database.
///
/// # Panics
///
/// When there are not so many.
pub(crate) fn schema(number: usize) -> String {
    static PREFIX: LazyLock<String> = LazyLock::new(crate::databases::new_name);
    assert!(number < SCHEMAS, "PgBouncer knows only {SCHEMAS} schemas");
    format!("{}_{number}", *PREFIX)
}

/// The version of the program, such as `(1, 18)`.
pub(super) fn version() -> Option<(u32, u32)> {
    let output = Command::new(program()?).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = said.split_whitespace().nth(1)?.split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn program() -> Option<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(program) => Some(program.into()),
        None => programs::find("pgbouncer", &[]),
    }
}
