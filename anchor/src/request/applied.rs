//! [`Applied`]: which of anchor's layers a layer or a service consists of. A router that is given
//! any tower layer learns this by applying it once, and of a service by cloning it once, so that a
//! stack of layers is understood as well.

use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::sync::Arc;

#[cfg(feature = "_openapi")]
use crate::frontend::TokenScheme;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::rejection::Rejection;
#[cfg(feature = "_openapi")]
use crate::request::requirement::Requirement;
use crate::request::{Auth, Session};

thread_local! {
    /// What is applied while [`applied_by`] runs, the innermost first.
    static APPLIED: RefCell<Option<Vec<Applied>>> = const { RefCell::new(None) };
}

/// A layer of anchor's that was applied.
#[derive(Debug, Clone)]
pub(crate) enum Applied {
    /// The session layer of a manager.
    Sessions(Manager),
    /// The guard of a group.
    Guard(AppliedGuard),
}

impl Applied {
    pub(crate) fn manager(&self) -> &Manager {
        match self {
            Applied::Sessions(manager) => manager,
            Applied::Guard(guard) => &guard.manager,
        }
    }
}

/// A group's guard.
#[derive(Debug, Clone)]
pub(crate) struct AppliedGuard {
    pub(crate) manager: Manager,
    // What the table of routes shows.
    pub(crate) payload: String,
    pub(crate) demands: String,
    #[cfg(feature = "_openapi")]
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) login_page: Option<&'static str>,
}

/// The manager that a layer or a guard comes from.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    pub(crate) payload: TypeId,
    /// The payload's name, with its path.
    pub(crate) name: &'static str,
    /// Distinguishes two managers of one payload.
    pub(crate) address: usize,
    /// The arguments of handlers that need the layer.
    pub(crate) extractors: [TypeId; 6],
    #[cfg(feature = "_openapi")]
    pub(crate) answers: Answers,
}

/// What clients of the application must know of a manager: where its tokens are, and what it
/// answers.
#[cfg(feature = "_openapi")]
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    /// The channels' names, and where a request carries their tokens, if that is known.
    pub(crate) schemes: Vec<(String, Option<TokenScheme>)>,
    /// Whether requests of other origins are refused.
    pub(crate) refuses_cross_origin: bool,
    /// Whether the application replaces the responses to refused requests.
    pub(crate) are_replaced: bool,
}

impl Manager {
    /// Returns whether a handler with these arguments needs a live session of the payload.
    #[cfg(feature = "_openapi")]
    pub(crate) fn is_required_by(&self, arguments: &[TypeId]) -> bool {
        let [session, _, _, payload, ..] = self.extractors;
        arguments.iter().any(|argument| *argument == session || *argument == payload)
    }

    pub(crate) fn of<T: SessionData>(sessions: &Arc<Sessions<T>>) -> Self {
        Self {
            payload: TypeId::of::<T>(),
            name: type_name::<T>(),
            address: Arc::as_ptr(sessions).addr(),
            extractors: [
                TypeId::of::<Session<T>>(),
                TypeId::of::<Option<Session<T>>>(),
                TypeId::of::<Result<Session<T>, Rejection>>(),
                TypeId::of::<T>(),
                TypeId::of::<Option<T>>(),
                TypeId::of::<Auth<T>>(),
            ],
            #[cfg(feature = "_openapi")]
            answers: Answers {
                schemes: sessions.channels.schemes(),
                refuses_cross_origin: sessions.cross_origin.is_some(),
                are_replaced: sessions.on_reject.is_some(),
            },
        }
    }
}

/// Notes that a layer of anchor's is applied, or that the service that it makes is cloned. Does
/// nothing unless someone has asked.
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
