//! The harness itself: every test has a database of its own, on a server that does not outlive the
//! process.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anchor_tests::{databases, servers};

#[tokio::test]
async fn two_postgres_tests_do_not_see_each_other() {
    let Some(one) = databases::postgres().await else { return };
    let other = databases::postgres().await.unwrap();
    sqlx::query("CREATE TABLE t (a INT)").execute(&one).await.unwrap();
    assert!(sqlx::query("SELECT a FROM t").execute(&one).await.is_ok());
    assert!(sqlx::query("SELECT a FROM t").execute(&other).await.is_err());
}

#[tokio::test]
async fn two_mysql_tests_do_not_see_each_other() {
    let Some(one) = databases::mysql().await else { return };
    let other = databases::mysql().await.unwrap();
    sqlx::query("CREATE TABLE t (a INT)").execute(&one).await.unwrap();
    assert!(sqlx::query("SELECT a FROM t").execute(&one).await.is_ok());
    assert!(sqlx::query("SELECT a FROM t").execute(&other).await.is_err());
}

#[tokio::test]
async fn two_sqlite_tests_do_not_see_each_other() {
    let (one, other) = (databases::sqlite().await, databases::sqlite().await);
    sqlx::query("CREATE TABLE t (a INT)").execute(&one).await.unwrap();
    assert!(sqlx::query("SELECT a FROM t").execute(&one).await.is_ok());
    assert!(sqlx::query("SELECT a FROM t").execute(&other).await.is_err());
}

#[test]
fn concurrent_tests_share_one_server() {
    let urls: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| servers::REDIS.url())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(urls.iter().all(|url| url == &urls[0]), "{urls:?}");
}

/// What the next test runs in a process of its own, and kills.
#[test]
#[ignore = "run by `a_killed_test_process_leaves_no_server`"]
fn start_every_server_and_wait() {
    for server in [&servers::POSTGRES, &servers::MYSQL, &servers::REDIS] {
        if let Some(url) = server.url() {
            use std::io::Write;
            // Past libtest's capture, to the process that waits for it.
            writeln!(std::io::stdout(), "listening: {url}").unwrap();
        }
    }
    std::io::Write::write_all(&mut std::io::stdout(), b"all started\n").unwrap();
    std::thread::sleep(Duration::from_secs(120));
}

#[cfg(unix)]
#[test]
fn a_killed_test_process_leaves_no_server() {
    use std::io::{BufRead, BufReader};

    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "start_every_server_and_wait", "--nocapture"])
        .env_remove("ANCHOR_TEST_POSTGRES_URL")
        .env_remove("ANCHOR_TEST_MYSQL_URL")
        .env_remove("ANCHOR_TEST_REDIS_URL")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let addresses: Vec<String> = lines
        .take_while(|line| line != "all started")
        .filter_map(|line| {
            let rest = line.split_once("listening: ")?.1.split_once("://")?.1;
            let host = rest.rsplit('@').next()?.split('/').next()?;
            Some(host.to_owned())
        })
        .collect();
    for address in &addresses {
        assert!(std::net::TcpStream::connect(address).is_ok(), "{address} does not listen");
    }
    process.kill().unwrap();
    process.wait().unwrap();

    let folder_prefix = format!("anchor-tests-{}-", process.id());
    let folders = || {
        let entries = std::fs::read_dir(std::env::temp_dir()).unwrap();
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(&folder_prefix))
            .collect::<Vec<_>>()
    };
    let listening =
        || addresses.iter().filter(|a| std::net::TcpStream::connect(a).is_ok()).collect::<Vec<_>>();
    let killed = Instant::now();
    while !(listening().is_empty() && folders().is_empty()) {
        assert!(
            killed.elapsed() < Duration::from_secs(30),
            "30 s later there are still {:?} and {:?}",
            listening(),
            folders()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
