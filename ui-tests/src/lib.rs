//! What compiles with anchor's macros is in `tests/pass`, what does not in `tests/fail`, each case
//! with the message that the user reads.
//!
//! After a change of a message: `TRYBUILD=overwrite cargo test -p ui-tests`, and read the
//! difference as a user would.
