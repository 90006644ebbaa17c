//! Cargo does not notice a new migration by itself, and `sqlx::migrate!` reads them when it
//! compiles.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
