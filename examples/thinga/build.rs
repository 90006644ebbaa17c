//! Makes Cargo compile again when there is a new migration: see `examples/migrations`.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
