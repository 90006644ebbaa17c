//! [`SessionUse`]: how an operation uses the sessions of one payload. The uses of an operation are
//! in an extension of it, from which the rest is made.

use serde::{Deserialize, Serialize};

use super::{EXTENSION, Operation};
use crate::request::applied::Manager;
use crate::request::requirement::Requirement;
use crate::request::scope::LogoutReach;
use crate::type_name::without_paths;

/// The payload of a guard without a type, until a manager says whose sessions it has.
pub(super) const ANY: &str = "anchor-session";

/// How an operation uses the sessions of one payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionUse {
    /// The payload's name, which is also that of the security scheme.
    pub(super) session: String,
    /// Which sessions a logout ends. A logout needs no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logout: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// The greatest age of the authentication, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fresh: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
    /// Whether there is a predicate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    when: bool,
    /// The login page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect: Option<String>,
}

impl SessionUse {
    /// A live session is required, and nothing else. `payload` is the name of the payload's type.
    pub(crate) fn required(payload: &str) -> Self {
        Self {
            session: scheme_name(payload),
            logout: None,
            roles: Vec::new(),
            fresh: None,
            policies: Vec::new(),
            when: false,
            redirect: None,
        }
    }

    /// A live session that satisfies these requirements is required.
    pub(crate) fn guarded(
        payload: &str,
        requirements: impl IntoIterator<Item = Requirement>,
        login_page: Option<&str>,
    ) -> Self {
        let mut guarded = Self::required(payload);
        guarded.redirect = login_page.map(str::to_owned);
        for requirement in requirements {
            match requirement {
                Requirement::Role(role) => guarded.roles.push(role),
                Requirement::Fresh(age) => {
                    let age = age.as_secs();
                    guarded.fresh = Some(guarded.fresh.map_or(age, |other| other.min(age)));
                }
                Requirement::Predicate => guarded.when = true,
                Requirement::Policy(name) => guarded.policies.push(name),
            }
        }
        guarded
    }

    /// A session is ended, if there is one.
    pub(crate) fn logout(payload: &str, reach: LogoutReach) -> Self {
        let reach = match reach {
            LogoutReach::This => "this",
            LogoutReach::All => "all",
            LogoutReach::Others => "others",
        };
        Self { logout: Some(reach.to_owned()), ..Self::required(payload) }
    }

    /// Returns whether a request without a live session is refused.
    pub(super) fn is_required(&self) -> bool {
        self.logout.is_none()
    }

    /// Returns whether a request with a live session may be refused.
    pub(super) fn may_refuse(&self) -> bool {
        self.when || self.fresh.is_some() || !self.roles.is_empty() || !self.policies.is_empty()
    }
}

/// Returns the name of a payload's security scheme, in the characters that OpenAPI allows.
pub(crate) fn scheme_name(payload: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    without_paths(payload).chars().map(|c| if is_allowed(c) { c } else { '_' }).collect()
}

impl Manager {
    /// Returns the name of the payload's security scheme.
    pub(crate) fn scheme_name(&self) -> String {
        scheme_name(self.name)
    }
}

/// Returns the uses of an operation.
pub(super) fn uses_of(operation: &impl Operation) -> Vec<SessionUse> {
    let uses = operation.extension(EXTENSION);
    uses.and_then(|uses| Vec::deserialize(uses).ok()).unwrap_or_default()
}

pub(super) fn set_uses(
    operation: &mut impl Operation,
    uses: &[SessionUse],
) -> serde_json::Result<()> {
    operation.set_extension(EXTENSION, serde_json::to_value(uses)?);
    Ok(())
}

/// Adds a use to an operation, unless it says nothing new.
pub(crate) fn add_use(operation: &mut impl Operation, added: SessionUse) -> serde_json::Result<()> {
    let mut uses = uses_of(operation);
    let plain = SessionUse::required(&added.session);
    let of_same = |used: &SessionUse| used.is_required() && used.session == added.session;
    if uses.contains(&added) || added == plain && uses.iter().any(of_same) {
        return Ok(());
    }
    if added.is_required() {
        uses.retain(|used| *used != plain);
    }
    uses.push(added);
    set_uses(operation, &uses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_called_like_the_payload() {
        for (payload, name) in [
            ("app::sessions::UserSession", "UserSession"),
            ("app::Only<app::Admin>", "Only_Admin_"),
            ("app::Überprüft", "_berpr_ft"),
        ] {
            assert_eq!(scheme_name(payload), name);
        }
    }
}
