//! What is wrong with the sessions of a router's routes, found when it is built.

use std::any::TypeId;
use std::fmt;

use super::route::Route;
use crate::error::ConfigError;
use crate::request::applied::{Applied, Manager};
use crate::type_name::without_paths;

/// Returns an error with all mistakes, if there are any.
pub(super) fn check(routes: &[Route], managers: &[Manager]) -> Result<(), ConfigError> {
    let mistakes: Vec<_> = routes
        .iter()
        .flat_map(|route| {
            mistakes_of(route, managers)
                .into_iter()
                .map(move |mistake| format!("{route}: {mistake}"))
        })
        .collect();
    ConfigError::of_all(&mistakes, "the routes")
}

/// What is wrong with a route, with the name of the payload.
#[derive(PartialEq)]
enum Mistake {
    NoLayer(&'static str),
    GuardOutside(&'static str),
    GuardOfAnother(&'static str),
    SeveralManagers(&'static str),
    ReplacesGuard,
}

fn mistakes_of(route: &Route, managers: &[Manager]) -> Vec<Mistake> {
    let guards = route.around.iter().enumerate().filter_map(|(index, applied)| match applied {
        Applied::Guard(guard) => Some((&guard.manager, index)),
        Applied::Sessions(_) => None,
    });
    let of_guards = guards.filter_map(|(manager, index)| {
        mistake_of_guard(manager, &route.around[..index], &route.around[index + 1..])
    });
    let of_handler = payloads_of(route, managers)
        .filter_map(|(payload, name)| mistake_of(payload, name, &route.around));
    // A mistake can have several signs.
    let mut found = Vec::new();
    let replaces_guard = route.replaces_guard.then_some(Mistake::ReplacesGuard);
    for mistake in replaces_guard.into_iter().chain(of_guards).chain(of_handler) {
        if !found.contains(&mistake) {
            found.push(mistake);
        }
    }
    found
}

/// Returns the payloads that a route's handler needs, with their names.
fn payloads_of<'r>(
    route: &'r Route,
    managers: &'r [Manager],
) -> impl Iterator<Item = (TypeId, &'static str)> + 'r {
    route.handler.iter().flat_map(|handler| {
        let taken = managers
            .iter()
            .filter(|manager| manager.extractors.iter().any(|ty| handler.arguments.contains(ty)))
            .map(|manager| (manager.payload, manager.name));
        handler.payload.into_iter().chain(taken)
    })
}

/// Returns what is wrong with the layers around something that needs the sessions of this payload.
fn mistake_of(payload: TypeId, name: &'static str, around: &[Applied]) -> Option<Mistake> {
    let mut layers = layers(around).filter(|layer| layer.payload == payload);
    match layers.next() {
        None => Some(Mistake::NoLayer(name)),
        Some(first) => layers
            .any(|layer| layer.address != first.address)
            .then_some(Mistake::SeveralManagers(name)),
    }
}

fn mistake_of_guard(manager: &Manager, inside: &[Applied], outside: &[Applied]) -> Option<Mistake> {
    let is_inside = layers(inside).any(|layer| layer.payload == manager.payload);
    let is_its_own = layers(outside).any(|layer| layer.address == manager.address);
    match mistake_of(manager.payload, manager.name, outside) {
        Some(Mistake::NoLayer(name)) if is_inside => Some(Mistake::GuardOutside(name)),
        None if !is_its_own => Some(Mistake::GuardOfAnother(manager.name)),
        found => found,
    }
}

fn layers(applied: &[Applied]) -> impl Iterator<Item = &Manager> {
    applied.iter().filter_map(|applied| match applied {
        Applied::Sessions(manager) => Some(manager),
        Applied::Guard(_) => None,
    })
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::NoLayer(name) => write!(
                f,
                "the sessions of `{name}` are missing: add `.sessions(&sessions)` after the route, \
                 where `sessions` is a `SessionManager<{}>`",
                without_paths(name)
            ),
            Mistake::GuardOutside(name) => write!(
                f,
                "the guard of `{name}` is outside of the sessions that it needs: add \
                 `.sessions(&sessions)` after the guard, because what is added last runs first"
            ),
            Mistake::GuardOfAnother(name) => write!(
                f,
                "the guard and the sessions are those of two managers of `{name}`: build one \
                 `SessionManager<{}>`, and clone it",
                without_paths(name)
            ),
            Mistake::SeveralManagers(name) => write!(
                f,
                "it has the sessions of two managers of `{name}`: build one `SessionManager<{}>` \
                 and clone it, or add each one's `.sessions(..)` to a router that is not nested in \
                 the other's",
                without_paths(name)
            ),
            Mistake::ReplacesGuard => f.write_str(
                "it replaces the answer that the guard of this path gives to other methods, and is \
                 outside of the guard: call `.method_not_allowed_fallback(..)` before the guarded \
                 routes are added, or before `.layer(guard)`",
            ),
        }
    }
}
