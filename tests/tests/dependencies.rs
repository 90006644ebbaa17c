//! What a user's build compiles, and what the workspace's tests compile.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that a build of anchor with these features compiles, one a line.
fn crates(features: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "axum-anchor", "--edges", "normal,build", "--prefix", "none"])
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

#[test]
fn only_an_application_that_asks_for_metrics_compiles_their_facade() {
    let has_facade =
        |features: &[&str]| crates(features).lines().any(|line| line.starts_with("metrics v"));
    assert!(!has_facade(&["memory", "sqlite", "postgres", "mysql", "redis", "cache", "testing"]));
    assert!(has_facade(&["metrics"]));
    let others = crates(&["metrics"]);
    let is_recorder = |line: &str| line.starts_with("metrics-");
    assert!(!others.lines().any(is_recorder), "a recorder is the application's choice: {others}");
}

#[test]
fn only_an_application_that_asks_for_an_openapi_library_compiles_it() {
    let libraries = |features: &[&str]| {
        let crates = crates(features);
        let has = |name: &&str| crates.lines().any(|line| line.starts_with(&format!("{name} v")));
        ["aide", "schemars", "utoipa"].into_iter().filter(has).collect::<Vec<_>>()
    };
    assert_eq!(libraries(&["memory", "sqlite", "cache", "conformance", "testing"]), [""; 0]);
    assert_eq!(libraries(&["utoipa"]), ["utoipa"]);
    assert_eq!(libraries(&["aide"]), ["aide", "schemars"]);
}

/// The examples of the documentation are compiled with the features that the tests ask for.
#[test]
fn the_tests_of_the_workspace_build_the_library_with_every_feature() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON");
    let package = |name: &str| {
        let mut packages = metadata["packages"].as_array().unwrap().iter();
        packages.find(|package| package["name"] == name).expect("a package of the workspace")
    };
    let offered = package("axum-anchor")["features"].as_object().unwrap().keys();
    let offered =
        offered.filter(|name| !name.starts_with('_') && *name != "default").map(String::as_str);
    let mut dependencies = package("anchor-tests")["dependencies"].as_array().unwrap().iter();
    let asked = dependencies.find(|dependency| dependency["name"] == "axum-anchor").unwrap();
    let asked = asked["features"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    assert_eq!(asked.collect::<BTreeSet<_>>(), offered.collect::<BTreeSet<_>>());
}
