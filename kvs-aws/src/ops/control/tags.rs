//! TagStream, UntagStream, ListTagsForStream.

use std::collections::BTreeMap;

use kvs_types::__internal::check_length;
use kvs_types::{InvalidField, StreamId, limits};
use serde::{Deserialize, Serialize};

use super::streams::{check_tags, check_token};
use crate::client_limits;
use crate::protocol::error::Error;
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;

/// Sets tags of a stream. A tag with the same key is replaced.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagStream {
    #[serde(flatten)]
    stream: StreamId,
    tags: BTreeMap<String, String>,
}

impl TagStream {
    /// Creates a request without tags.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream, tags: BTreeMap::new() }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}

impl Operation for TagStream {
    type Output = ();
    const NAME: &'static str = "TagStream";
    const PATH: &'static str = "/tagStream";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_length("Tags", self.tags.len(), (1, limits::STREAM_TAGS))?;
        check_tags(&self.tags)
    }

    async fn read(response: Response) -> Result<(), Error> {
        response.empty().await
    }
}

/// Removes tags of a stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UntagStream {
    #[serde(flatten)]
    stream: StreamId,
    tag_key_list: Vec<String>,
}

impl UntagStream {
    /// Creates a request that removes the tags with these keys.
    pub fn new(stream: StreamId, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { stream, tag_key_list: keys.into_iter().map(Into::into).collect() }
    }
}

impl Operation for UntagStream {
    type Output = ();
    const NAME: &'static str = "UntagStream";
    const PATH: &'static str = "/untagStream";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_length("TagKeyList", self.tag_key_list.len(), (1, limits::STREAM_TAGS))?;
        let length = (1, limits::STREAM_TAG_KEY_CHARS);
        self.tag_key_list.iter().try_for_each(|key| check_length("TagKeyList", key.chars().count(), length))
    }

    async fn read(response: Response) -> Result<(), Error> {
        response.empty().await
    }
}

/// Lists the tags of a stream, one page per call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListTagsForStream {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// A page of tags.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct TagPage {
    /// The tags by key.
    #[serde(default, deserialize_with = "crate::protocol::lenient::null_as_default")]
    pub tags: BTreeMap<String, String>,
    /// The token for [`ListTagsForStream::next_token`]; `None` on the last page.
    pub next_token: Option<String>,
}

impl ListTagsForStream {
    /// Creates a request for the first page.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream, next_token: None }
    }

    /// Requests the page after the one that returned `token`.
    #[must_use]
    pub fn next_token(mut self, token: impl Into<String>) -> Self {
        self.next_token = Some(token.into());
        self
    }
}

impl Operation for ListTagsForStream {
    type Output = TagPage;
    const NAME: &'static str = "ListTagsForStream";
    const PATH: &'static str = "/listTagsForStream";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_token(self.next_token.as_deref(), limits::CONTROL_PLANE_TOKEN_CHARS)
    }

    async fn read(response: Response) -> Result<TagPage, Error> {
        let mut page: TagPage = response.json(client_limits::RESPONSE_BYTES).await?;
        page.next_token = page.next_token.filter(|token| !token.is_empty());
        Ok(page)
    }
}
