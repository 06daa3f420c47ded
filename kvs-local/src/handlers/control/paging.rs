//! Tokens that say where the next page begins.

use base64_simd::STANDARD;
use serde::{Deserialize, Serialize};

use crate::api::{self, ApiError, Text};

/// Where the next page of ListStreams begins, and of which query it is the next page.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    /// The last name of the page before.
    after: String,
    /// The prefix the names were filtered by.
    prefix: String,
}

impl Page {
    pub(super) fn after(name: &str, prefix: &str) -> Self {
        Self { after: name.to_owned(), prefix: prefix.to_owned() }
    }

    /// The last name of the page before.
    pub(super) fn last(&self) -> &str {
        &self.after
    }

    /// The token as the caller sees it.
    pub(super) fn token(&self) -> String {
        STANDARD.encode_to_string(serde_json::to_vec(self).expect("two strings are always JSON"))
    }

    /// Reads a token of the query with this prefix.
    pub(super) fn from_token(token: &str, prefix: &str) -> Result<Self, ApiError> {
        api::text(&Text::TOKEN, token)?;
        let page: Option<Self> = STANDARD.decode_to_vec(token).ok().and_then(|json| serde_json::from_slice(&json).ok());
        page.filter(|page| page.prefix == prefix)
            .ok_or_else(|| ApiError::invalid("NextToken is not one that this query returned"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_query_only() {
        let token = Page::after("door", "d").token();
        assert_eq!(Page::from_token(&token, "d").unwrap().last(), "door");
        assert!(Page::from_token(&token, "").is_err());
        assert!(Page::from_token("AAAA", "d").is_err());
        assert!(Page::from_token("%", "d").is_err());
    }
}
