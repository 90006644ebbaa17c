//! The names of the keys.

use crate::store::Placement;

/// The names of a payload's keys. Those of a shard begin with `{prefix:table:abc}:`, where `abc` is
/// the shard's number. Redis Cluster places a key by what is between the braces, so it keeps a
/// shard in one slot.
#[derive(Clone)]
pub(super) struct Keys {
    /// `prefix:table`.
    space: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, table: &str) -> Self {
        Self { space: format!("{}:{}", escaped(prefix), escaped(table)) }
    }

    /// Returns what the names of a shard's keys begin with.
    pub(super) fn shard(&self, shard: Placement) -> String {
        format!("{{{}:{}}}:", self.space, shard_name(shard))
    }

    /// Returns a glob for the names of all sessions.
    pub(super) fn sessions(&self) -> String {
        let mut glob = String::from("{");
        for c in self.space.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
                glob.push('\\');
            }
            glob.push(c);
        }
        glob + ":???}:session:*"
    }
}

/// Writes a shard's number in a key.
pub(super) fn shard_name(shard: Placement) -> String {
    format!("{:03x}", shard.number())
}

/// Reads a shard's number.
pub(super) fn shard_of_name(name: &str) -> Option<Placement> {
    u16::from_str_radix(name, 16).ok().map(Placement::new)
}

/// Writes a name so that it has neither braces, which have a meaning in keys, nor colons, which
/// separate its parts.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '%' => escaped.push_str("%25"),
            '{' => escaped.push_str("%7B"),
            '}' => escaped.push_str("%7D"),
            ':' => escaped.push_str("%3A"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_named_by_application_table_and_number() {
        let keys = Keys::new("shop", "auth.sessions");
        assert_eq!(keys.shard(Placement::new(0xabc)), "{shop:auth.sessions:abc}:");
        assert_eq!(keys.shard(Placement::new(7)), "{shop:auth.sessions:007}:");
        assert_eq!(keys.sessions(), "{shop:auth.sessions:???}:session:*");
        assert_eq!(shard_of_name("abc"), Some(Placement::new(0xabc)));
    }

    #[test]
    fn different_names_never_meet() {
        let shard = |prefix, table| Keys::new(prefix, table).shard(Placement::new(0));
        assert_ne!(shard("a:b", "c"), shard("a", "b:c"));
        assert_ne!(shard("a}", "b"), shard("a%7D", "b"));
        assert_eq!(shard("a{}b", "c"), "{a%7B%7Db:c:000}:");
        assert_eq!(Keys::new("a*[", "b").sessions(), "{a\\*\\[:b:???}:session:*");
    }
}
