//! What a user's build compiles.

use std::process::Command;

/// The crates that a build of anchor with these features compiles, one a line.
fn crates(features: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "anchor", "--edges", "normal,build", "--prefix", "none"])
        .args(["--locked", "--offline", "--no-default-features", "--features", &features.join(",")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn drivers(features: &[&str]) -> Vec<String> {
    let is_driver = |line: &&str| {
        ["sqlx", "libsqlite3-sys", "redis", "mysql", "postgres"]
            .iter()
            .any(|driver| line.starts_with(driver))
    };
    crates(features).lines().filter(is_driver).map(str::to_owned).collect()
}

#[test]
fn a_memory_only_application_compiles_no_database_driver() {
    assert_eq!(drivers(&["memory"]), [""; 0]);
}

#[test]
fn an_application_on_one_database_compiles_the_driver_of_no_other() {
    let postgres = drivers(&["postgres"]);
    assert!(postgres.iter().any(|driver| driver.starts_with("sqlx-postgres")), "{postgres:?}");
    for other in ["sqlx-sqlite", "sqlx-mysql", "libsqlite3-sys", "redis"] {
        assert!(!postgres.iter().any(|driver| driver.starts_with(other)), "{postgres:?}");
    }
    let redis = drivers(&["redis"]);
    assert!(redis.iter().all(|driver| driver.starts_with("redis v")), "{redis:?}");
}

#[test]
fn only_an_application_that_asks_for_the_cache_compiles_its_library() {
    let has_library = |features: &[&str]| crates(features).contains("quick_cache");
    assert!(!has_library(&["memory", "sqlite", "postgres", "mysql", "conformance"]));
    assert!(has_library(&["cache"]));
}
