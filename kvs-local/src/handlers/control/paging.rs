//! Paging tokens of ListStreams.

use base64_simd::STANDARD;
use serde::{Deserialize, Serialize};

use crate::api::{self, ApiError, Text};

/// The position of a page of ListStreams, bound to its query.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    /// The last name of the previous page.
    after: String,
    /// The prefix of the query.
    prefix: String,
}

impl Page {
    pub(super) fn after(name: &str, prefix: &str) -> Self {
        Self { after: name.to_owned(), prefix: prefix.to_owned() }
    }

    /// Returns the last name of the previous page.
    pub(super) fn last(&self) -> &str {
        &self.after
    }

    /// Encodes the token.
    pub(super) fn token(&self) -> String {
        STANDARD.encode_to_string(serde_json::to_vec(self).expect("serializing two strings does not fail"))
    }

    /// Decodes a token of the query with this prefix.
    pub(super) fn from_token(token: &str, prefix: &str) -> Result<Self, ApiError> {
        api::text(&Text::TOKEN, token)?;
        let page: Option<Self> = STANDARD.decode_to_vec(token).ok().and_then(|json| serde_json::from_slice(&json).ok());
        page.filter(|page| page.prefix == prefix)
            .ok_or_else(|| ApiError::invalid("NextToken is not one that this query returned"))
    }
}

/// Checks the token of an operation whose result always fits on one page, so that it never returned a token.
pub(super) fn check_single_page(token: Option<&str>) -> Result<(), ApiError> {
    match token {
        None | Some("") => Ok(()),
        Some(_) => Err(ApiError::invalid("NextToken is not one that this query returned")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_bound_to_its_query() {
        let token = Page::after("door", "d").token();
        assert_eq!(Page::from_token(&token, "d").unwrap().last(), "door");
        assert!(Page::from_token(&token, "").is_err());
        assert!(Page::from_token("AAAA", "d").is_err());
        assert!(Page::from_token("%", "d").is_err());
    }
}
