//! [`Pause`]: a server that applies nothing of what the others commit, until it is told to go on.
//!
//! The server runs a trigger when it applies a row, and the trigger waits as long as a variable of
//! this server says so. What clients of this server write is not held up by that. (The server would
//! abort a client that holds a lock for which it waits.)

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::{Mutex, MutexGuard};

/// Only one server is paused at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// What the server does when another kind of replication begins, which is never.
const VARIABLE: &str = "init_slave";

const PAUSED: &str = "DO 'paused by a test'";

pub(crate) struct Pause {
    server: MySqlConnection,
    _one: MutexGuard<'static, ()>,
}

impl Pause {
    /// Returns when the last server waits, and has applied everything that came before.
    pub(crate) async fn of_the_last(pools: &[MySqlPool; 3]) -> Self {
        let _one = ONE.lock().await;
        let [first, .., last] = pools;
        let options = MySqlConnectOptions::clone(&last.connect_options());
        let mut server: MySqlConnection = options.connect().await.expect("a connection");
        let trigger = format!(
            "CREATE TRIGGER wait AFTER INSERT ON paused FOR EACH ROW BEGIN \
             WHILE @@GLOBAL.{VARIABLE} = \"{PAUSED}\" DO DO SLEEP(0.005); END WHILE; END"
        );
        run(first, "CREATE TABLE IF NOT EXISTS paused (id INT AUTO_INCREMENT PRIMARY KEY)").await;
        run(first, "DROP TRIGGER IF EXISTS wait").await;
        run(first, &trigger).await;
        // By default, the server applies rows without their triggers.
        let settings = "SET GLOBAL slave_run_triggers_for_rbr = ENFORCE";
        server.execute(settings).await.expect("a setting");
        caught_up(&mut server).await;
        let pause = format!("SET GLOBAL {VARIABLE} = \"{PAUSED}\"");
        server.execute(AssertSqlSafe(pause)).await.expect("a setting");
        run(first, "INSERT INTO paused VALUES ()").await;
        let waits = "SELECT COUNT(*) FROM information_schema.processlist \
             WHERE state = 'User sleep' AND info LIKE '%SLEEP(0.005)%'";
        loop {
            let waits = sqlx::query_scalar::<_, i64>(waits);
            if waits.fetch_one(&mut server).await.expect("a list") > 0 {
                return Self { server, _one };
            }
            tokio::task::yield_now().await;
        }
    }

    /// Lets the server go on, and returns when it has caught up.
    pub(crate) async fn end(mut self) {
        let go_on = format!("SET GLOBAL {VARIABLE} = ''");
        self.server.execute(AssertSqlSafe(go_on)).await.expect("a setting");
        caught_up(&mut self.server).await;
        self.server.close().await.expect("MySQL says goodbye");
    }
}

/// Returns when this server has applied what was committed before.
async fn caught_up(server: &mut MySqlConnection) {
    let wait = "SET STATEMENT wsrep_sync_wait = 15 FOR SELECT 1";
    server.execute(wait).await.expect("MySQL waits");
}

async fn run(pool: &MySqlPool, sql: &str) {
    pool.execute(AssertSqlSafe(sql.to_owned())).await.expect("SQL");
}
