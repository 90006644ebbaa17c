//! Makes Cargo compile again when there is a new migration. `sqlx::migrate!` reads the migrations
//! at compile time, and Cargo does not notice a new one by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
