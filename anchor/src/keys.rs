//! [`KeyRing`]: the keys that sign tokens, newest first.
