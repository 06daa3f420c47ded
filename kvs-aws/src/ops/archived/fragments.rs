//! ListFragments.

use std::ops::Range;
use std::time::SystemTime;

use kvs_types::__internal::check_range;
use kvs_types::{FragmentInfo, InvalidField, StreamId, TimestampOrigin};
use serde::{Deserialize, Serialize};

use super::FragmentSelector;
use crate::limits;
use crate::ops::control::check_token;
use crate::protocol::error::Error;
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::Response;

/// Lists the stored fragments that start in a range, both ends included; a page at a time, in no order.
///
/// A fragment shows up within about a second after it was acknowledged as persisted.
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

/// One page of fragments.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FragmentPage {
    /// The fragments, in no order.
    #[serde(default, deserialize_with = "crate::lenient::null_as_default")]
    pub fragments: Vec<FragmentInfo>,
    /// What to give to [`ListFragments::next_token`] for the next page; `None` on the last one.
    pub next_token: Option<String>,
}

impl ListFragments {
    /// The first page of fragments that start in `range` by the clock of `origin`.
    #[must_use]
    pub fn new(stream: StreamId, origin: TimestampOrigin, range: Range<SystemTime>) -> Self {
        let fragment_selector = Some(FragmentSelector::of(origin, range));
        Self { stream, max_results: None, next_token: None, fragment_selector }
    }

    /// The page after the one that gave `token`.
    #[must_use]
    pub fn next_page(stream: StreamId, token: impl Into<String>) -> Self {
        Self { stream, max_results: None, next_token: Some(token.into()), fragment_selector: None }
    }

    /// Sets the largest page, 1 to 1,000.
    #[must_use]
    pub const fn max_results(mut self, most: u32) -> Self {
        self.max_results = Some(most);
        self
    }

    /// Asks for the page after the one that gave `token`; everything else must stay the same.
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
            check_range("MaxResults", most, (1, limits::LIST_FRAGMENTS_PAGE))?;
        }
        check_token(self.next_token.as_deref(), limits::ARCHIVED_TOKEN_CHARS)?;
        self.fragment_selector.as_ref().map_or(Ok(()), FragmentSelector::check)
    }

    async fn read(response: Response) -> Result<FragmentPage, Error> {
        let mut page: FragmentPage = response.json(limits::RESPONSE_BYTES).await?;
        page.next_token = page.next_token.filter(|token| !token.is_empty());
        Ok(page)
    }
}
