//! What must hold for any input, as functions that panic where it does not. `cargo test` calls them
//! with generated input, and `cargo fuzz` with its own (`tests/fuzz`). They are not for users, and
//! change without notice.
//!
//! Each property is beside the code that it is about, because it needs that code's internals.

pub use crate::guard::properties::next;
pub use crate::manager::environment::properties::environment;
pub use crate::migrate::properties::folder;
pub use crate::migrate::state::properties::header;
#[cfg(feature = "redis")]
pub use crate::store::redis::properties::redis_row;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub use crate::store::sql::properties::{postgres_row, sqlite_row};
pub use crate::token::properties::token;

/// Makes choices from a fuzzer's bytes. After the last byte, every choice is the first one.
pub(crate) struct Choices<'d>(&'d [u8]);

impl<'d> Choices<'d> {
    pub(crate) fn of(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Returns true for half of the bytes.
    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn one_of<'c, C>(&mut self, choices: &'c [C]) -> &'c C {
        &choices[usize::from(self.byte()) % choices.len()]
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// Returns at most 255 bytes: the next byte says how many.
    pub(crate) fn bytes(&mut self) -> &'d [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all bytes that are left.
    pub(crate) fn rest(self) -> &'d [u8] {
        self.0
    }
}

/// How `cargo test` checks the properties: a failure is shown with the smallest input that fails,
/// and leaves no file.
#[cfg(test)]
pub(crate) fn settings(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases,
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
