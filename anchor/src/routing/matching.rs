//! [`find`]: which route answers an operation of an OpenAPI document.

use http::Method;

use super::route::{Extent, Route};
use super::route_table::RouteMethod;

/// Returns the positions of the routes that may answer a method at a path. They are several if the
/// routes of a router of axum, or the methods of its handlers, are not known.
pub(super) fn find(all: &[Route], method: &Method, path: &str) -> Vec<usize> {
    let routes = || all.iter().enumerate();
    let at_path = |route: &Route| {
        matches!(route.extent, Extent::Path | Extent::SomeMethods)
            && is_same_path(&route.path, path)
    };
    let mut here: Vec<_> = routes().filter(|(_, route)| at_path(route)).collect();
    // The document writes a wildcard like a parameter. A parameter is the more specific one.
    if here.iter().any(|(_, route)| !has_wildcard(&route.path)) {
        here.retain(|(_, route)| !has_wildcard(&route.path));
    }
    let ranked = here.iter().filter_map(|(index, route)| Some((rank(route, method)?, *index)));
    let ranked: Vec<_> = ranked.collect();
    let best = ranked.iter().map(|(rank, _)| *rank).min();
    let mut found: Vec<_> =
        ranked.iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, index)| *index).collect();
    if !found.is_empty() && found.iter().all(|index| all[*index].extent == Extent::Path) {
        return found;
    }
    let below = |extent: Extent| {
        let with = routes().filter(move |(_, route)| route.extent == extent);
        with.filter_map(|(index, route)| Some((length_above(route, path)?, index)))
    };
    // A router of axum may have this very path, which comes before the service at a folder.
    found.extend(below(Extent::SomeBelow).map(|(_, index)| index));
    if here.is_empty() {
        found.extend(below(Extent::Below).max().map(|(_, index)| index));
    }
    found
}

/// Returns the rank of a route for a method, the lowest first, if it answers the method.
fn rank(route: &Route, method: &Method) -> Option<u8> {
    match &route.method {
        RouteMethod::Only(only) if only == method => Some(0),
        RouteMethod::Only(only) if *method == Method::HEAD && *only == Method::GET => Some(1),
        RouteMethod::Only(_) => None,
        RouteMethod::Other => Some(2),
        RouteMethod::Any => Some(3),
    }
}

/// Returns the length of the path at and below which a route answers, if the other path is there.
fn length_above(route: &Route, path: &str) -> Option<usize> {
    let folder = normal(route.path.strip_suffix("/*")?);
    let path = normal(path);
    let rest = path.strip_prefix(&folder)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(folder.len())
}

/// Returns whether two paths differ in nothing but the names of their parameters.
pub(super) fn is_same_path(one: &str, other: &str) -> bool {
    normal(one) == normal(other)
}

fn has_wildcard(path: &str) -> bool {
    path.contains("{*")
}

/// Returns the path with one name for all parameters.
fn normal(path: &str) -> String {
    let mut normal = String::new();
    let mut rest = path.chars().peekable();
    while let Some(next) = rest.next() {
        normal.push(next);
        if next == '{' && rest.next_if_eq(&'{').is_none() {
            // The name, and `}`.
            while rest.next_if(|c| *c != '}').is_some() {}
        }
    }
    normal
}

/// Returns the path of a document's servers, without a slash at the end.
pub(super) fn base_path(servers: &[String]) -> Result<&str, String> {
    let path = |address: &str| -> usize {
        let host = address.find("://").map_or(0, |scheme| scheme + 3);
        address[host..].find('/').map_or(address.len(), |slash| host + slash)
    };
    let mut paths = servers.iter().map(|it| it[path(it)..].trim_end_matches('/'));
    let first = paths.next().unwrap_or_default();
    match paths.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => Err(format!(
            "its servers have different paths, `{first}` and `{other}`, so it is not known which \
             route it is: write the path in the operation, and not in the servers"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_same_whatever_their_parameters_are_called() {
        assert!(is_same_path("/users/{id}/posts", "/users/{user}/posts"));
        assert!(is_same_path("/files/{*path}", "/files/{path}"));
        assert!(!is_same_path("/users/{id}", "/users/me"));
        assert!(!is_same_path("/users/{id}", "/users"));
        assert!(!is_same_path("/{{id}}", "/{id}"));
    }

    #[test]
    fn the_path_of_the_servers_is_below_their_host() {
        let base = |servers: &[&str]| {
            let servers: Vec<_> = servers.iter().map(|it| (*it).to_owned()).collect();
            base_path(&servers).map(str::to_owned)
        };
        assert_eq!(base(&[]), Ok(String::new()));
        assert_eq!(base(&["/"]), Ok(String::new()));
        assert_eq!(base(&["https://app.example"]), Ok(String::new()));
        assert_eq!(base(&["/api/", "https://app.example/api"]), Ok("/api".to_owned()));
        assert!(base(&["/api", "/v2"]).is_err());
    }
}
