//! [`Applied`]: which of anchor's layers a layer consists of. A router that is given any tower layer
//! learns this by applying it once, so that a stack of layers is understood as well.

use std::cell::RefCell;

thread_local! {
    /// What is applied while [`applied_by`] runs, the innermost first.
    static APPLIED: RefCell<Option<Vec<Applied>>> = const { RefCell::new(None) };
}

/// A layer of anchor's that was applied.
#[derive(Debug, Clone)]
pub(crate) enum Applied {
    /// The guard of a group.
    Guard(AppliedGuard),
}

/// What the table of routes shows of a group's guard.
#[derive(Debug, Clone)]
pub(crate) struct AppliedGuard {
    pub(crate) payload: String,
    pub(crate) demands: String,
    pub(crate) login_page: Option<&'static str>,
}

/// Notes that a layer of anchor's is applied. Does nothing unless someone has asked.
pub(crate) fn note(applied: impl FnOnce() -> Applied) {
    APPLIED.with_borrow_mut(|noted| {
        if let Some(noted) = noted {
            noted.push(applied());
        }
    });
}

/// Returns what `apply` applies, the innermost first.
pub(crate) fn applied_by(apply: impl FnOnce()) -> Vec<Applied> {
    let outer = APPLIED.replace(Some(Vec::new()));
    apply();
    APPLIED.replace(outer).unwrap_or_default()
}
