//! [`gaps`]: the paths below a router at which none of its routes answers.
//!
//! axum asks the fallback of a nested router last: after every route of the outer router, also
//! after `/{page}` and `/{*rest}`, and not at all if it is nested twice. So a fallback that is
//! under a guard becomes routes of its own, which parameters and wildcards of the outer router do
//! not beat.

use super::route::{Extent, Route};

/// Returns the paths of the routes that a router lacks to answer every request below the path at
/// which it is nested. Returns `None` if they depend on routes that are not known.
///
/// One wildcard would do, if axum accepted a wildcard beside a parameter. Beside `/{id}`, the
/// wildcard is one level below, in `/{id}/{*rest}`, and what a parameter does not match is added:
/// the empty segment.
pub(super) fn gaps(routes: &[Route]) -> Option<Vec<String>> {
    let known: Vec<_> = routes.iter().filter(|it| !it.is_own_fallback()).map(Known::of).collect();
    let mut gaps = Vec::new();
    let mut level = String::new();
    loop {
        let answers_below = |path: &str| {
            let known = known.iter().find(|known| known.path == path && known.below);
            known.map(|known| known.extent)
        };
        match answers_below(&level) {
            Some(Extent::SomeBelow) => return None,
            Some(_) => break,
            None => {}
        }
        let below = format!("{level}/");
        gaps.push(if level.is_empty() { below.clone() } else { level });
        if answers_below(&below).is_some() {
            break;
        }
        gaps.push(below.clone());
        let parameter = format!("{below}{PARAMETER}");
        if !known.iter().any(|known| known.is_in(&parameter)) {
            gaps.push(format!("{below}{WILDCARD}"));
            break;
        }
        gaps.push(format!("{below}/"));
        gaps.push(format!("{below}/{WILDCARD}"));
        level = parameter;
    }
    gaps.dedup();
    gaps.retain(|path| !known.iter().any(|known| known.path == *path));
    Some(gaps)
}

// The names of the parameters in the added routes. To axum, a path with other names is the same
// path.
const PARAMETER: &str = "{guarded}";
const WILDCARD: &str = "{*guarded}";

/// The path of a route, with one name for all parameters.
struct Known {
    path: String,
    /// Whether the route also answers below this path.
    below: bool,
    extent: Extent,
}

impl Known {
    fn of(route: &Route) -> Self {
        let below = !matches!(route.extent, Extent::Path | Extent::SomeMethods);
        let path = if below { route.path.strip_suffix("/*") } else { None };
        let segments = path.unwrap_or(&route.path).split('/').map(|segment| match segment {
            literal if literal.starts_with("{{") => literal,
            wildcard if wildcard.starts_with("{*") => WILDCARD,
            parameter if parameter.starts_with('{') => PARAMETER,
            literal => literal,
        });
        let mut path = segments.collect::<Vec<_>>().join("/");
        if below && route.at_slash {
            path.push('/');
        }
        Self { path, below, extent: route.extent }
    }

    /// Returns whether it is this path or below it.
    fn is_in(&self, path: &str) -> bool {
        self.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}
