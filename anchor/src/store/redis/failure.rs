//! Converts the client's errors to [`StoreError`]s that say what to do, and quote neither a value
//! nor a password.

use redis::{ErrorKind, RedisError};

use crate::error::StoreError;

/// What to do about an error, by the word that the server's message begins with.
const ADVICE: &[(&str, &str)] = &[
    (
        "OOM",
        "it has no memory left for writes: raise `maxmemory`, or give the sessions a server of \
         their own. Logouts still work, except with `durability`, whose confirmation needs memory",
    ),
    (
        "READONLY",
        "this server is a replica: connect to the primary, or to the cluster with \
         `RedisStore::connect_cluster`",
    ),
    (
        "MISCONF",
        "it refuses writes because it cannot save its data: see its log, and make room on its disk",
    ),
    (
        "TRYAGAIN",
        "the cluster is moving the slot of these keys to another server: try again when it is done",
    ),
    ("CLUSTERDOWN", "some of the cluster's slots have no primary: see `redis-cli --cluster check`"),
    ("MOVED", "this server is part of a cluster: connect with `RedisStore::connect_cluster`"),
    ("ASK", "this server is part of a cluster: connect with `RedisStore::connect_cluster`"),
    ("CROSSSLOT", "this server is part of a cluster: connect with `RedisStore::connect_cluster`"),
    ("NOAUTH", "it demands a password: write it into the URL, `redis://user:password@host:port`"),
    ("WRONGPASS", "it does not accept the user name or the password in the URL"),
    (
        "NOPERM",
        "its ACL does not permit what the store does: give the user the store's keys, and the \
         commands of hashes, sorted sets and strings, `EVALSHA`, `SCRIPT LOAD`, `SCAN`, `TIME`, \
         `DEL`, `EXISTS`, `PTTL`, `PEXPIREAT`, `RENAMENX`, `MULTI` and `EXEC`; `verify` needs \
         `INFO` and `CONFIG GET`, `revoke_everyone` needs `INFO`, and `durability` needs `WAIT` or \
         `WAITAOF`",
    ),
    (
        "WRONGTYPE",
        "another program keeps a value of another type under one of the store's keys: give the \
         store a name of its own with `prefix(\"..\")`",
    ),
    ("NOREPLICAS", "too few replicas are connected for `min-replicas-to-write`"),
    ("LOADING", "it is still loading its data: try again in a moment"),
    ("MASTERDOWN", "this server is a replica whose primary is down: connect to the primary"),
    ("NOSCRIPT", "it forgot a script that was just loaded: connect to it without a proxy between"),
];

/// Returns the error as a store reports it. `server` says which one it was.
pub(super) fn store_error(server: &str, error: &RedisError) -> StoreError {
    let said = error.to_string();
    if error.is_timeout() {
        return StoreError::unavailable(format!("{server} did not answer in time"));
    }
    // Within a script, an older server puts its own words in front.
    let code = error.code().unwrap_or_default();
    // Before Redis 7.2, a script that may not do something says so without a code.
    let is_forbidden = said.contains("The user executing the script can't");
    let said_code = match error.kind() {
        _ if is_forbidden => "NOPERM",
        // The client keeps the server's own word for it to itself.
        ErrorKind::AuthenticationFailed => "WRONGPASS",
        _ => code,
    };
    let advice = ADVICE.iter().find(|(word, _)| *word == said_code);
    let advice = advice.or_else(|| {
        let mut words = said.split(|c: char| !c.is_ascii_alphanumeric());
        words.find_map(|said| ADVICE.iter().find(|(word, _)| *word == said))
    });
    StoreError::unavailable(match advice {
        Some((word, advice)) => format!("{server} answered {word}: {advice}"),
        None if error.kind() == ErrorKind::Parse => {
            format!("{server} cannot be reached: the connection ended in the middle of an answer")
        }
        None if error.is_io_error() => format!("{server} cannot be reached: {said}"),
        None => format!("{server}: {}", without_arguments(&said)),
    })
}

/// Cuts the arguments that the server quotes from a command that it does not know.
fn without_arguments(said: &str) -> &str {
    said.split(", with args").next().unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let parsed = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let error = parsed.extract_error().unwrap_err();
        store_error("Redis at cache:6379", &error).to_string()
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (line, advice) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", "raise `maxmemory`"),
            ("READONLY You can't write against a read only replica.", "connect to the primary"),
            ("MISCONF Redis is configured to save RDB snapshots", "cannot save its data"),
            ("ERR The user executing the script can't run this command", "`PEXPIREAT`"),
            ("CLUSTERDOWN Hash slot not served", "--cluster check"),
            ("MOVED 3999 127.0.0.1:6381", "connect_cluster"),
            ("NOAUTH Authentication required.", "redis://user:password@host:port"),
            ("WRONGPASS invalid username-password pair", "does not accept"),
            ("NOPERM User app has no permissions to run the 'evalsha' command", "EVALSHA"),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", "prefix("),
            (
                "ERR Error running script (call to f_a): @user_script:1: -OOM command not allowed",
                "raise `maxmemory`",
            ),
        ] {
            let said = said(line);
            assert!(said.contains(advice), "{said}");
            assert!(said.contains("Redis at cache:6379"), "{said}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_cannot_be_reached() {
        let error = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let unreached = store_error("Redis at cache:6379", &error).to_string();
        assert!(unreached.contains("Redis at cache:6379 cannot be reached: "), "{unreached}");
        let refused = said("ERR value is not an integer or out of range");
        assert!(!refused.contains("cannot be reached"), "{refused}");
    }

    #[test]
    fn the_arguments_of_an_unknown_command_are_not_quoted() {
        let said = said("ERR unknown command 'EVALSHA', with args beginning with: 'hunter2' ");
        assert!(said.contains("unknown command") && !said.contains("hunter2"), "{said}");
    }
}
