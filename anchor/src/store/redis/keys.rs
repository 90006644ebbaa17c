//! The names of the keys.

use crate::id::SessionId;
use crate::store::Placement;

/// The length of an id's text.
pub(super) const ID: usize = 36;

/// How the names of keys go on after what those of a shard begin with.
const SESSION: &str = "session:";
const NEW: &str = "new:";
const INDEX: &str = "index";

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
        let mut start = String::with_capacity(self.space.len() + "{:abc}:".len());
        start.push('{');
        start.push_str(&self.space);
        start.push(':');
        start.extend(shard_digits(shard));
        start.push_str("}:");
        start
    }

    /// Returns the name of a session's key.
    pub(super) fn session(&self, id: SessionId) -> String {
        named(&self.shard(id.placement()), SESSION, Some(id))
    }

    /// Returns the name of a shard's index.
    pub(super) fn index(&self, shard: Placement) -> String {
        named(&self.shard(shard), INDEX, None)
    }

    /// Returns the name of the key that has the other shards in which a subject of this shard may
    /// have sessions.
    pub(super) fn away(&self, home: Placement, subject: &str) -> String {
        self.shard(home) + "away:" + subject
    }

    /// Returns the name of the log of subjects' ends, which is in no shard.
    pub(super) fn ends(&self) -> String {
        format!("{{{}:ends}}", self.space)
    }

    /// Returns the names of the keys that a login writes.
    pub(super) fn of_login(&self, id: SessionId) -> LoginKeys {
        let start = self.shard(id.placement());
        LoginKeys {
            new: named(&start, NEW, Some(id)),
            session: named(&start, SESSION, Some(id)),
            index: named(&start, INDEX, None),
        }
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

/// The keys that a login writes.
pub(super) struct LoginKeys {
    /// Of the session that is being inserted.
    pub(super) new: String,
    pub(super) session: String,
    /// Of the shard's index.
    pub(super) index: String,
}

fn named(start: &str, name: &str, id: Option<SessionId>) -> String {
    let mut key = String::with_capacity(start.len() + name.len() + ID);
    key.push_str(start);
    key.push_str(name);
    if let Some(id) = id {
        key.push_str(id.as_uuid().hyphenated().encode_lower(&mut [0; ID]));
    }
    key
}

/// Writes a shard's number in a key.
pub(super) fn shard_name(shard: Placement) -> String {
    shard_digits(shard).collect()
}

fn shard_digits(shard: Placement) -> impl Iterator<Item = char> {
    let digits = [8, 4, 0].into_iter().map(move |shift: u32| shard.number() >> shift & 0xf);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16))
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
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_shard_is_named_by_application_table_and_number() {
        let keys = Keys::new("shop", "auth.sessions");
        assert_eq!(keys.shard(Placement::new(0xabc)), "{shop:auth.sessions:abc}:");
        assert_eq!(keys.shard(Placement::new(7)), "{shop:auth.sessions:007}:");
        assert_eq!(keys.sessions(), "{shop:auth.sessions:???}:session:*");
        assert_eq!(shard_of_name("abc"), Some(Placement::new(0xabc)));
        let id = SessionId::from_uuid(Uuid::from_u128(0xfeed)).placed(Placement::new(0x04c));
        let LoginKeys { new, session, index } = keys.of_login(id);
        assert_eq!(new, format!("{{shop:auth.sessions:04c}}:new:{id}"));
        assert_eq!(session, format!("{{shop:auth.sessions:04c}}:session:{id}"));
        assert_eq!(index, "{shop:auth.sessions:04c}:index");
        assert_eq!(keys.index(id.placement()), index);
        assert_eq!(keys.session(id), session);
        assert_eq!(keys.ends(), "{shop:auth.sessions:ends}");
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
