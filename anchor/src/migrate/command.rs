//! The commands that messages ask the user to run.

/// Writes the missing migrations.
pub(super) const WRITE: &str = "ANCHOR_MIGRATE=1 cargo test anchor_migrations";

/// Replaces the newest migration.
pub(super) const REPLACE: &str = "ANCHOR_MIGRATE=replace cargo test anchor_migrations";

/// Creates a table whose name may belong to another table.
pub(super) const CREATE: &str = "ANCHOR_MIGRATE=create cargo test anchor_migrations";

/// Allows values to be lost.
pub(super) const DROP: &str = "ANCHOR_MIGRATE=drop cargo test anchor_migrations";

/// Allows changes that need downtime.
pub(super) const DOWNTIME: &str = "ANCHOR_MIGRATE=downtime cargo test anchor_migrations";

/// Allows values to be lost in a change that needs downtime.
pub(super) const DROP_IN_DOWNTIME: &str =
    "ANCHOR_MIGRATE=downtime,drop cargo test anchor_migrations";
