//! [`short`]: a type's name as its author wrote it, without module paths.

/// Returns the name of a type without paths: `Admin` for `app::policies::Admin`, and `Only<Admin>`
/// for `app::Only<app::Admin>`.
pub(crate) fn short<T: ?Sized>() -> String {
    without_paths(std::any::type_name::<T>())
}

pub(crate) fn without_paths(name: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '{' || c == '}';
    let mut shortened = String::new();
    let mut rest = name;
    while let Some(end) = rest.find(|c| !is_part(c)) {
        shortened.push_str(last_segment(&rest[..end]));
        let separator = rest[end..].chars().next().map_or(0, char::len_utf8);
        shortened.push_str(&rest[end..end + separator]);
        rest = &rest[end + separator..];
    }
    shortened.push_str(last_segment(rest));
    shortened
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_left_out_at_every_depth() {
        for (name, short) in [
            ("app::policies::Admin", "Admin"),
            ("Admin", "Admin"),
            ("app::Only<app::Admin, alloc::vec::Vec<u8>>", "Only<Admin, Vec<u8>>"),
            ("(app::Admin, app::Fresh<600>)", "(Admin, Fresh<600>)"),
            ("app::main::{{closure}}::Admin", "Admin"),
            ("&app::Überprüft", "&Überprüft"),
        ] {
            assert_eq!(without_paths(name), short);
        }
    }
}
