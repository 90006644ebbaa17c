//! The commands that a message asks for.

/// Writes what is missing.
pub(super) const WRITE: &str = "ANCHOR_MIGRATE=1 cargo test anchor_migrations";

/// Writes another migration in place of the newest.
pub(super) const REPLACE: &str = "ANCHOR_MIGRATE=replace cargo test anchor_migrations";

/// Makes a table of a name that may be another table's.
pub(super) const CREATE: &str = "ANCHOR_MIGRATE=create cargo test anchor_migrations";

/// Allows the loss of values.
pub(super) const DROP: &str = "ANCHOR_MIGRATE=drop cargo test anchor_migrations";

/// Allows what needs downtime.
pub(super) const DOWNTIME: &str = "ANCHOR_MIGRATE=downtime cargo test anchor_migrations";

/// Allows the loss of values where no process of the application may run.
pub(super) const DROP_IN_DOWNTIME: &str =
    "ANCHOR_MIGRATE=downtime,drop cargo test anchor_migrations";
