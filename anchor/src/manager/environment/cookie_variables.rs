//! The cookie that the variables describe.

use super::reader::Reader;
use crate::frontend::{CookieFault, SameSite, SessionCookie, split_prefix};

/// The variables that have no meaning if the program sets its own frontend.
const OF_THE_COOKIE: [&str; 5] =
    ["COOKIE_NAME", "COOKIE_DOMAIN", "COOKIE_SAME_SITE", "COOKIE_SECURE", "DEVELOPMENT"];

/// Reports the variables that contradict the program's own frontend.
pub(super) fn refuse(reader: &mut Reader<'_>) {
    for variable in OF_THE_COOKIE {
        if reader.is_set(variable) {
            reader.mistake(
                variable,
                "the program sets its own frontend: unset this, or remove `.frontend(..)`",
            );
        }
    }
}

/// Reads the cookie. `struct_name` is the name that the payload's struct gives it, if any.
pub(super) fn read(
    reader: &mut Reader<'_>,
    struct_name: Option<&'static str>,
    development: bool,
) -> SessionCookie {
    let name = reader.text("COOKIE_NAME");
    let domain = reader.text("COOKIE_DOMAIN");
    let same_site = same_site(reader);
    let secure = reader.flag("COOKIE_SECURE");
    if development && secure == Some(true) {
        let development = reader.name("DEVELOPMENT");
        reader.mistake(
            "COOKIE_SECURE",
            format_args!("`true` contradicts {development}=true: unset one of them"),
        );
    }
    let used = match (&name, struct_name.unwrap_or("__Host-id")) {
        (Some(name), _) => name.as_str(),
        // The prefixes are removed, because browsers would refuse them. A name that was set stays.
        (None, named) if development => split_prefix(named).1,
        (None, named) => named,
    };
    let base = if development { SessionCookie::development() } else { SessionCookie::default() };
    let mut cookie = base.named(used.to_owned()).secure(secure.unwrap_or(!development));
    if let Some(same_site) = same_site {
        cookie = cookie.same_site(same_site);
    }
    if let Some(domain) = domain {
        cookie = cookie.domain(domain.as_str());
    }
    for fault in cookie.faults() {
        report(reader, fault, used, development);
    }
    cookie
}

/// Reports what browsers refuse about the cookie, as a mistake of the variable that causes it.
fn report(reader: &mut Reader<'_>, fault: CookieFault, name: &str, development: bool) {
    let insecure = if development { "DEVELOPMENT" } else { "COOKIE_SECURE" };
    let shown = name.escape_debug();
    let unprefixed = split_prefix(name).1.escape_debug();
    let name_variable = reader.name("COOKIE_NAME");
    match fault {
        CookieFault::Name | CookieFault::TooLarge => {
            // A name from the struct is refused by the builder, in its own words.
            if reader.is_set("COOKIE_NAME") {
                reader.mistake("COOKIE_NAME", format_args!("cookie `{shown}`: {fault}"));
            }
        }
        CookieFault::PrefixWithoutSecure(_) => reader.mistake(
            insecure,
            format_args!(
                "a browser accepts the cookie `{shown}` only over HTTPS: unset this, or write \
                 {name_variable}={unprefixed}"
            ),
        ),
        CookieFault::HostPrefixWithDomain => reader.mistake(
            "COOKIE_DOMAIN",
            format_args!(
                "a browser accepts the cookie `{shown}` only for one host: unset this, or write \
                 {name_variable}=__Secure-{unprefixed}"
            ),
        ),
        CookieFault::SameSiteNoneWithoutSecure => {
            let insecure = reader.name(insecure);
            reader.mistake(
                "COOKIE_SAME_SITE",
                format_args!(
                    "a browser accepts `none` only over HTTPS: write `lax`, or unset {insecure}"
                ),
            );
        }
        CookieFault::Domain(_) => reader.mistake("COOKIE_DOMAIN", fault),
        // No variable sets the path. `build` checks the cookie again.
        CookieFault::HostPrefixWithPath | CookieFault::Path(_) => {}
    }
}

fn same_site(reader: &mut Reader<'_>) -> Option<SameSite> {
    let text = reader.text("COOKIE_SAME_SITE")?;
    match text.to_ascii_lowercase().as_str() {
        "lax" => Some(SameSite::Lax),
        "strict" => Some(SameSite::Strict),
        "none" => Some(SameSite::None),
        _ => {
            let fault = format!("`{}` is not a valid value: write", text.escape_debug());
            reader.expected("COOKIE_SAME_SITE", &fault);
            None
        }
    }
}
