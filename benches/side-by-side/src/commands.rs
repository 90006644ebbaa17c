//! Counts the commands that clients send to a database of Redis. A script is one command, whatever
//! it runs.

use std::sync::Mutex;

use redis::{Client, Connection, Value};

/// What the last command of a count contains.
const END: &str = "the end of the count";

/// A counter of the commands on one database.
pub struct Commands {
    client: Client,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Receives a line for each command.
    monitor: Connection,
    /// Marks the end. It is made before the count begins, because its making sends commands.
    marker: Connection,
}

impl Commands {
    /// # Panics
    ///
    /// Panics if the text is not a URL of Redis.
    pub fn of(url: &str) -> Self {
        Self { client: Client::open(url).expect("a URL"), running: Mutex::default() }
    }

    /// Starts counting.
    ///
    /// # Panics
    ///
    /// Panics if Redis does not answer.
    pub fn start(&self) {
        let connect = || self.client.get_connection().expect("Redis answers");
        let (mut monitor, marker) = (connect(), connect());
        let command = redis::cmd("MONITOR").get_packed_command();
        monitor.send_packed_command(&command).expect("Redis reads");
        monitor.recv_response().expect("Redis answers");
        *self.running.lock().expect("no panic") = Some(Running { monitor, marker });
    }

    /// Stops counting and returns the count.
    ///
    /// # Panics
    ///
    /// Panics if Redis does not answer, or if nothing is being counted.
    pub fn stop(&self) -> u64 {
        let running = self.running.lock().expect("no panic").take();
        let Running { mut monitor, mut marker } = running.expect("a count has started");
        redis::cmd("ECHO").arg(END).exec(&mut marker).expect("Redis answers");
        let database = format!("[{}", self.client.get_connection_info().redis_settings().db());
        let mut count = 0;
        loop {
            let Value::SimpleString(line) = monitor.recv_response().expect("Redis answers") else {
                panic!("Redis shows each command in a line")
            };
            if line.contains(END) {
                return count;
            }
            // `1700000000.000000 [0 127.0.0.1:50000] "GET" ..`, and `[0 lua]` within a script.
            let mut words = line.split(' ').skip(1);
            if words.next() == Some(&database) && words.next() != Some("lua]") {
                count += 1;
            }
        }
    }
}
