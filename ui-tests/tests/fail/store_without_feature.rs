//! A store whose feature is off: the compiler names the feature.

use anchor::prelude::PostgresStore;
use anchor::{MySqlStore, SqliteStore};

fn main() {}
