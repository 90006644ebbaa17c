//! [`find`]: which route answers an operation of an OpenAPI document.

use http::Method;

use super::route::{Extent, Route};
use super::route_table::RouteMethod;

/// Returns the position of the route that answers a method at a path.
pub(super) fn find(routes: &[Route], method: &Method, path: &str) -> Option<usize> {
    let routes = || routes.iter().enumerate();
    let at_path = |route: &Route| {
        matches!(route.extent, Extent::Path | Extent::SomeMethods)
            && is_same_path(&route.path, path)
    };
    let mut here: Vec<_> = routes().filter(|(_, route)| at_path(route)).collect();
    // The document writes a wildcard like a parameter. A parameter is the more specific one.
    if here.iter().any(|(_, route)| !has_wildcard(&route.path)) {
        here.retain(|(_, route)| !has_wildcard(&route.path));
    }
    if !here.is_empty() {
        let found = here.into_iter().filter_map(|(index, route)| {
            let rank = match &route.method {
                RouteMethod::Only(only) if only == method => 0,
                RouteMethod::Only(only) if *method == Method::HEAD && only == Method::GET => 1,
                RouteMethod::Only(_) => return None,
                RouteMethod::Other => 2,
                RouteMethod::Any => 3,
            };
            Some((rank, index))
        });
        return found.min().map(|(_, index)| index);
    }
    let below = routes().filter_map(|(index, route)| {
        let is_below = matches!(route.extent, Extent::Below | Extent::SomeBelow);
        let folder = normal(route.path.strip_suffix("/*")?);
        let path = normal(path);
        let rest = path.strip_prefix(&folder).filter(|_| is_below)?;
        let is_in = rest.is_empty() || rest.starts_with('/');
        // Of two at one path, the one whose routes are known.
        is_in.then_some((folder.len(), route.extent == Extent::Below, index))
    });
    below.max().map(|(.., index)| index)
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
