//! ListFragments.

use std::ops::Range;
use std::time::SystemTime;

use kvs_types::__internal::check_range;
use kvs_types::{FragmentInfo, InvalidField, StreamId, TimestampOrigin, limits};
use serde::{Deserialize, Serialize};

use super::FragmentSelector;
use crate::client_limits;
use crate::ops::control::check_token;
use crate::protocol::error::Error;
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::Response;

/// Lists the stored fragments that start in a range, both ends included, one page per call and in no order.
///
/// A fragment is listed about one second after it was acknowledged as persisted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListFragments {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_results: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fragment_selector: Option<FragmentSelector>,
}

/// A page of fragments.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FragmentPage {
    /// The fragments, in no order.
    #[serde(default, deserialize_with = "crate::protocol::lenient::null_as_default")]
    pub fragments: Vec<FragmentInfo>,
    /// The token for [`ListFragments::next_token`]; `None` on the last page.
    pub next_token: Option<String>,
}

impl ListFragments {
    /// Creates a request for the first page of fragments that start in `range`, by the clock that `origin` names.
    #[must_use]
    pub fn new(stream: StreamId, origin: TimestampOrigin, range: Range<SystemTime>) -> Self {
        let fragment_selector = Some(FragmentSelector::of(origin, range));
        Self { stream, max_results: None, next_token: None, fragment_selector }
    }

    /// Creates a request for the page after the one that returned `token`.
    #[must_use]
    pub fn next_page(stream: StreamId, token: impl Into<String>) -> Self {
        Self { stream, max_results: None, next_token: Some(token.into()), fragment_selector: None }
    }

    /// Sets the page size, 1 to 1,000.
    #[must_use]
    pub const fn max_results(mut self, most: u32) -> Self {
        self.max_results = Some(most);
        self
    }

    /// Requests the page after the one that returned `token`. All other settings must stay the same.
    #[must_use]
    pub fn next_token(mut self, token: impl Into<String>) -> Self {
        self.next_token = Some(token.into());
        self
    }
}

impl Operation for ListFragments {
    type Output = FragmentPage;
    const NAME: &'static str = "ListFragments";
    const PATH: &'static str = "/listFragments";

    fn target(&self) -> Target<'_> {
        Target::DataPlane(&self.stream, &ApiName::ListFragments)
    }

    fn check(&self) -> Result<(), InvalidField> {
        if let Some(most) = self.max_results {
            check_range("MaxResults", most, (1, limits::LIST_FRAGMENTS_RESULTS))?;
        }
        check_token(self.next_token.as_deref(), limits::ARCHIVED_MEDIA_TOKEN_CHARS)?;
        self.fragment_selector.as_ref().map_or(Ok(()), FragmentSelector::check)
    }

    async fn read(response: Response) -> Result<FragmentPage, Error> {
        let mut page: FragmentPage = response.json(client_limits::RESPONSE_BYTES).await?;
        page.next_token = page.next_token.filter(|token| !token.is_empty());
        Ok(page)
    }
}
