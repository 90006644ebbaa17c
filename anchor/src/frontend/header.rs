//! [`CustomHeader`]: the token in a custom header of the application.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::{Frontend, Presented, append};
use crate::token::SessionToken;

/// The token in a custom request header, such as `x-session`. The response to a login carries the
/// new token in the header of the same name. The response to a logout carries this header empty.
#[derive(Debug, Clone)]
pub struct CustomHeader {
    name: HeaderName,
}

impl CustomHeader {
    /// Creates a frontend for the header with this name.
    ///
    /// ```
    /// use anchor::frontend::CustomHeader;
    /// use http::HeaderName;
    ///
    /// let frontend = CustomHeader::new(HeaderName::from_static("x-session"));
    /// ```
    pub fn new(name: HeaderName) -> Self {
        Self { name }
    }
}

impl Frontend for CustomHeader {
    fn channel(&self) -> String {
        format!("header:{}", self.name)
    }

    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
        Presented::collect(headers.get_all(&self.name).iter().map(|value| value.as_bytes()))
    }

    fn headers(&self) -> &[HeaderName] {
        std::slice::from_ref(&self.name)
    }

    fn is_sent_by_browsers(&self) -> bool {
        false
    }

    fn issue(&self, token: &SessionToken, _: Option<Duration>, response: &mut HeaderMap) {
        append(response, self.name.clone(), token.expose());
    }

    fn reissues(&self) -> bool {
        true
    }

    fn remove(&self, response: &mut HeaderMap) {
        append(response, self.name.clone(), "");
    }
}
