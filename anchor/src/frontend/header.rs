//! [`CustomHeader`]: the token in a custom header of the application.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use super::{Frontend, Presented, append};
use crate::error::ConfigError;
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

    fn check(&self, _: Duration) -> Result<(), ConfigError> {
        if self.name == header::COOKIE {
            return Err(ConfigError::new(
                "`CustomHeader` cannot be `cookie`, which browsers send by themselves, also for \
                 other sites: write `SessionCookie::new(\"__Host-id\")`",
            ));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn it_carries_the_token_both_ways_and_is_empty_after_a_logout() {
        let name = HeaderName::from_static("x-session");
        let frontend = CustomHeader::new(name.clone());
        // Another name would make every token that was issued for this one invalid.
        assert_eq!(frontend.channel(), "header:x-session");
        assert_eq!(frontend.headers(), std::slice::from_ref(&name));
        assert!(frontend.reissues() && !frontend.is_sent_by_browsers());
        assert_eq!(frontend.check(Duration::MAX), Ok(()));
        let refusal = CustomHeader::new(header::COOKIE).check(Duration::MAX).unwrap_err();
        assert!(refusal.to_string().contains("browsers send by themselves"), "{refusal}");
        let mut headers = HeaderMap::new();
        assert_eq!(frontend.presented(&headers), Presented::Nothing);
        let token = crate::token::tests::any_token();
        frontend.issue(&token, None, &mut headers);
        let presented = Presented::Token(token.expose().as_bytes());
        assert_eq!(frontend.presented(&headers), presented);
        headers.clear();
        frontend.remove(&mut headers);
        assert_eq!(headers.get(&name), Some(&HeaderValue::from_static("")));
    }
}
