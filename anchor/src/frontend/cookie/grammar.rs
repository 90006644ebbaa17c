//! The grammar of a `Cookie` header, and of the name and the domain of a cookie (RFC 6265 section
//! 4.1).

use memchr::memchr;

/// Returns the pairs of a `Cookie` header (RFC 6265 section 5.4), as bytes. Nothing is decoded or
/// unquoted.
pub(super) fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = Some(header);
    let pairs = std::iter::from_fn(move || {
        let (pair, after) = split_at_byte(rest?, b';');
        rest = after;
        Some(pair)
    });
    pairs.filter_map(|pair| match split_at_byte(pair, b'=') {
        (name, Some(value)) => Some((name.trim_ascii(), value.trim_ascii())),
        (_, None) => None,
    })
}

/// Returns the bytes before the first `separator`, and those after it if it occurs.
fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr(separator, bytes) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// Returns whether the byte may be in a `token` of RFC 9110 section 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns whether this is a host name of letters, digits and hyphens (RFC 1034 section 3.5), with
/// at least one dot, or the name `localhost`.
pub(super) fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.len() <= 253
        && domain.split('.').all(label)
        && (domain.contains('.') || domain == "localhost")
}

/// Splits a name into the prefix that binds it to HTTPS, if it has one, and the rest (RFC 6265bis
/// section 4.1.3). Browsers ignore case when they compare prefixes (section 5.7), so this function
/// does too.
pub(crate) fn split_prefix(name: &str) -> (Option<&'static str>, &str) {
    for prefix in ["__Host-Http-", "__Host-", "__Http-", "__Secure-"] {
        if let Some((start, rest)) = name.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return (Some(prefix), rest);
        }
    }
    (None, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_short_labels_of_letters_digits_and_hyphens() {
        let longest_label = format!("{}.example", "a".repeat(63));
        let longest = format!("{}com", "abcdefghi.".repeat(25));
        assert_eq!(longest.len(), 253);
        for domain in ["localhost", "a.b", "1.example", "a-b.example", &longest_label, &longest] {
            assert!(is_domain(domain), "{domain}");
        }
        let longer_label = format!("{}.example", "a".repeat(64));
        let longer = format!("{longest}m");
        for other in [
            "",
            ".",
            "a",
            "example",
            "a..b",
            ".a.b",
            "a.b.",
            "-a.example",
            "a-.example",
            "a_b.example",
            "a b.example",
            "ä.example",
            &longer_label,
            &longer,
        ] {
            assert!(!is_domain(other), "{other}");
        }
    }

    #[test]
    fn a_name_is_of_the_characters_of_a_token() {
        let found: String =
            (0..=u8::MAX).filter(|byte| is_token_byte(*byte)).map(char::from).collect();
        assert_eq!(
            found,
            "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
        );
    }

    #[test]
    fn a_prefix_is_found_in_any_case_and_the_longest_first() {
        for (name, parts) in [
            ("__Host-id", (Some("__Host-"), "id")),
            ("__hOST-id", (Some("__Host-"), "id")),
            ("__Host-Http-id", (Some("__Host-Http-"), "id")),
            ("__Http-id", (Some("__Http-"), "id")),
            ("__Secure-", (Some("__Secure-"), "")),
            ("id", (None, "id")),
            ("_Host-id", (None, "_Host-id")),
            ("__Host_id", (None, "__Host_id")),
        ] {
            assert_eq!(split_prefix(name), parts);
        }
    }
}
