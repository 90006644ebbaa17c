//! [`TokenScheme`]: where a request carries the token, for readers of an OpenAPI document.

use http::HeaderName;

/// Where a request carries a session's token, in the terms of OpenAPI's security schemes.
///
/// ```
/// use anchor::frontend::{Bearer, Frontend, TokenScheme};
///
/// assert_eq!(Bearer.scheme(), Some(TokenScheme::Bearer));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenScheme {
    /// In the cookie with this name.
    Cookie {
        /// The cookie's name.
        name: String,
    },
    /// In `Authorization: Bearer ..`.
    Bearer,
    /// In the header with this name.
    Header {
        /// The header's name.
        name: HeaderName,
    },
}
