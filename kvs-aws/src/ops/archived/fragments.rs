//! ListFragments.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use kvs_types::__internal::{check_range, epoch_seconds};
use kvs_types::{InvalidField, StreamId};
use serde::{Deserialize, Serialize};

use super::{FragmentSelector, TimestampOrigin};
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

/// What is known of a stored fragment.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct FragmentInfo {
    /// Its number, a decimal string; numbers rise in the order of arrival.
    pub fragment_number: Option<String>,
    /// Its size in bytes.
    #[serde(rename = "FragmentSizeInBytes")]
    pub size_in_bytes: Option<u64>,
    /// When it starts by the producer's clock.
    #[serde(with = "epoch_seconds::option")]
    pub producer_timestamp: Option<SystemTime>,
    /// When it began to arrive by the service's clock.
    #[serde(with = "epoch_seconds::option")]
    pub server_timestamp: Option<SystemTime>,
    /// How long it lasts in milliseconds.
    #[serde(rename = "FragmentLengthInMilliseconds")]
    pub length_in_milliseconds: Option<u64>,
}

impl FragmentInfo {
    /// When it starts by the clock of `origin`.
    #[must_use]
    pub fn start(&self, origin: &TimestampOrigin) -> Option<SystemTime> {
        match origin {
            TimestampOrigin::Server => self.server_timestamp,
            TimestampOrigin::Producer | TimestampOrigin::Other(_) => self.producer_timestamp,
        }
    }

    /// How long it lasts, zero when the service does not say.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.length_in_milliseconds.unwrap_or_default())
    }
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
