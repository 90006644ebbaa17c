//! Transactions of plain commands, which the calls of concurrent callers share.

use redis::{Cmd, Pipeline, RedisResult, Value};

use super::reply::{refused, unexpected};
use crate::error::StoreError;
use crate::timestamp::Timestamp;

/// The longest text of a number.
pub(super) const NUMBER: usize = 20;

/// The commands of several callers, between `MULTI` and `EXEC`.
pub(super) struct Transaction(Pipeline);

impl Transaction {
    /// Begins a transaction of about so many commands.
    pub(super) fn with_capacity(commands: usize) -> Self {
        let mut pipeline = Pipeline::with_capacity(2 + commands);
        pipeline.add_command(command("MULTI", 0, 0));
        Self(pipeline)
    }

    /// Adds what this adds, and returns how many commands it was.
    pub(super) fn add(&mut self, add: impl FnOnce(&mut Pipeline)) -> usize {
        let before = self.0.len();
        add(&mut self.0);
        self.0.len() - before
    }

    pub(super) fn end(mut self) -> Pipeline {
        self.0.add_command(command("EXEC", 0, 0));
        self.0
    }
}

/// Begins a command with so many arguments of so many bytes. The memory of a login's commands would
/// be a fifth of what the login costs this process if it grew with each argument.
pub(super) fn command(name: &str, arguments: usize, length: usize) -> Cmd {
    let mut command = Cmd::with_capacity(1 + arguments, name.len() + length);
    command.arg(name);
    command
}

/// Returns what the commands of a transaction have come to, or why it was not carried out.
///
/// If the server does not permit `MULTI`, it has carried out each of them alone.
pub(super) fn done(answers: Vec<Value>) -> RedisResult<Result<Vec<Value>, StoreError>> {
    let mut answers = answers.into_iter();
    if let Some(Value::ServerError(_)) = answers.next() {
        answers.next_back();
        return Ok(Ok(answers.collect()));
    }
    let mut last = None;
    for answer in answers {
        last = Some(refused(answer)?);
    }
    Ok(match last {
        Some(Value::Array(done)) => Ok(done),
        _ => Err(unexpected()),
    })
}

/// Returns the first whole millisecond after an instant.
pub(super) fn millis_after(instant: Timestamp) -> i64 {
    instant.as_micros() / 1_000 + 1
}
