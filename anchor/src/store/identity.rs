//! [`StoreIdentity`]: whether two SQL stores are clones of each other.

#[cfg(feature = "_sql")]
use std::sync::Arc;

/// Whether two SQL stores are clones of each other: then they have the same identity. See
/// [`SessionStore::identity`](super::SessionStore::identity).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreIdentity(usize);

#[cfg(feature = "_sql")]
impl StoreIdentity {
    /// Returns the identity of whoever shares this, for as long as one of them exists.
    pub(crate) fn of<S>(shared: &Arc<S>) -> Self {
        Self(Arc::as_ptr(shared).addr())
    }
}
