//! [`Demands`]: what a guard requires of a session besides being live. An attribute names it by a
//! type, a [`Policy`]; the guard of a group collects values.

use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::column::{Column, Value};
use crate::guard::policy::{Decision, HasRole, Policy, allow_if, describe_fresh, fresh, when};
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::request::Session;
#[cfg(feature = "_openapi")]
use crate::request::requirement::Requirement;
use crate::type_name::without_paths;

/// A requirement on a session, as a value.
pub(crate) trait Demands<T: SessionData>: Send + Sync {
    /// Returns whether the session must be read from the store.
    fn is_authoritative(&self) -> bool {
        false
    }

    fn check(&self, session: &Session<T>) -> Decision;

    /// Returns the text for the table of routes and for the log line of a refusal.
    fn describe(&self) -> String;

    /// Returns what an OpenAPI document shows.
    #[cfg(feature = "_openapi")]
    fn requirements(&self) -> Vec<Requirement>;
}

/// Checks the demands, and converts the decision to a result.
pub(super) fn enforce<T: SessionData>(
    session: &Session<T>,
    demands: &impl Demands<T>,
) -> Result<(), Rejection> {
    match demands.check(session) {
        Decision::Allow => Ok(()),
        Decision::Deny => {
            Err(Rejection::Forbidden { id: session.id(), policy: demands.describe() })
        }
        Decision::Reauthenticate(max_age) => {
            Err(Rejection::ReauthenticationRequired { id: session.id(), max_age })
        }
    }
}

/// The policy `P`, as a value.
pub(super) struct OfPolicy<P>(PhantomData<fn() -> P>);

impl<P> OfPolicy<P> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: SessionData, P: Policy<T>> Demands<T> for OfPolicy<P> {
    fn is_authoritative(&self) -> bool {
        P::AUTHORITATIVE
    }

    fn check(&self, session: &Session<T>) -> Decision {
        P::check(session)
    }

    fn describe(&self) -> String {
        P::describe()
    }

    #[cfg(feature = "_openapi")]
    fn requirements(&self) -> Vec<Requirement> {
        P::requirements()
    }
}

/// All of these, in order.
pub(super) struct AllOf<T>(Vec<Arc<dyn Demands<T>>>);

impl<T: SessionData> AllOf<T> {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn and(mut self, demand: impl Demands<T> + 'static) -> Self {
        self.0.push(Arc::new(demand));
        self
    }
}

impl<T> Clone for AllOf<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: SessionData> Demands<T> for AllOf<T> {
    fn is_authoritative(&self) -> bool {
        self.0.iter().any(|demand| demand.is_authoritative())
    }

    fn check(&self, session: &Session<T>) -> Decision {
        self.0
            .iter()
            .map(|demand| demand.check(session))
            .find(|decision| *decision != Decision::Allow)
            .unwrap_or(Decision::Allow)
    }

    fn describe(&self) -> String {
        self.0.iter().map(|demand| demand.describe()).collect::<Vec<_>>().join(", ")
    }

    #[cfg(feature = "_openapi")]
    fn requirements(&self) -> Vec<Requirement> {
        self.0.iter().flat_map(|demand| demand.requirements()).collect()
    }
}

/// `.when(predicate)`.
pub(super) struct When<F>(pub(super) F);

impl<T: SessionData, F: Fn(&T) -> bool + Send + Sync> Demands<T> for When<F> {
    fn check(&self, session: &Session<T>) -> Decision {
        when(session, &self.0)
    }

    fn describe(&self) -> String {
        format!("when {}", of_function(type_name::<F>()))
    }

    #[cfg(feature = "_openapi")]
    fn requirements(&self) -> Vec<Requirement> {
        vec![Requirement::Predicate]
    }
}

/// `.role(role)`.
pub(super) struct RoleIs<R>(pub(super) R);

impl<T, R> Demands<T> for RoleIs<R>
where
    T: HasRole<Role = R>,
    R: Column + PartialEq + Send + Sync,
{
    fn check(&self, session: &Session<T>) -> Decision {
        allow_if(*session.data().role() == self.0)
    }

    fn describe(&self) -> String {
        format!("role {}", stored(&self.0)).trim_end().to_owned()
    }

    #[cfg(feature = "_openapi")]
    fn requirements(&self) -> Vec<Requirement> {
        vec![Requirement::Role(stored(&self.0))]
    }
}

/// Returns a role as its column stores it; empty if that is neither a text nor a number.
fn stored(role: &impl Column) -> String {
    match role.to_value() {
        Ok(Value::Text(role)) => role,
        Ok(Value::Int(role)) => role.to_string(),
        _ => String::new(),
    }
}

/// `.fresh(max_age)`.
pub(super) struct FreshFor(pub(super) Duration);

impl<T: SessionData> Demands<T> for FreshFor {
    fn check(&self, session: &Session<T>) -> Decision {
        fresh(session, self.0)
    }

    fn describe(&self) -> String {
        describe_fresh(self.0)
    }

    #[cfg(feature = "_openapi")]
    fn requirements(&self) -> Vec<Requirement> {
        vec![Requirement::Fresh(self.0)]
    }
}

/// Returns a function's name from that of its type: `UserSession::is_admin` for
/// `app::UserSession::is_admin`. A closure has no name of its own, only that of the function around
/// it.
fn of_function(name: &str) -> String {
    if let Some(around) = name.strip_suffix("::{{closure}}") {
        let around = around.trim_end_matches("::{{closure}}");
        return format!("a closure in {}", of_function(around));
    }
    if name.contains(['<', '(', '&']) {
        return without_paths(name);
    }
    let mut parts = name.rsplit("::");
    let function = parts.next().unwrap_or(name);
    match parts.next() {
        Some(ty) if ty.starts_with(char::is_uppercase) => format!("{ty}::{function}"),
        _ => function.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_is_called_what_its_author_called_it() {
        for (name, described) in [
            ("app::UserSession::is_admin", "UserSession::is_admin"),
            ("app::policies::is_admin", "is_admin"),
            ("is_admin", "is_admin"),
            ("app::routes::{{closure}}", "a closure in routes"),
            ("app::App::routes::{{closure}}::{{closure}}", "a closure in App::routes"),
            ("app::has<app::Admin>", "has<Admin>"),
            ("fn(&app::UserSession) -> bool", "fn(&UserSession) -> bool"),
        ] {
            assert_eq!(of_function(name), described);
        }
    }
}
