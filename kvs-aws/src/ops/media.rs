//! GetMedia, and the response body of operations that return media.

use std::time::SystemTime;

use bytes::Bytes;
use kvs_types::__internal::{NAME_CHARACTERS, check_text, is_name_character};
use kvs_types::{FieldProblem, InvalidField, StartSelector, StreamId, limits};
use serde::Serialize;

use crate::client_limits;
use crate::net::error::TransportError;
use crate::net::http_send::ResponseBody;
use crate::protocol::error::Error;
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::Response;

/// Media in a response body, read piece by piece. It is never in memory as a whole.
#[derive(Debug)]
pub struct MediaBody {
    content_type: Option<String>,
    body: ResponseBody,
}

impl MediaBody {
    pub(crate) async fn open(response: Response) -> Result<Self, Error> {
        let content_type = response.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        // Media is never JSON. The control plane answers an unknown operation with HTTP 200 and a JSON body.
        if content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json")) {
            let (operation, body) = response.bytes(client_limits::ERROR_BYTES).await?;
            let value = String::from_utf8_lossy(&body).chars().take(80).collect();
            let problem = crate::protocol::error::ResponseProblem::Member { member: "body", value };
            return Err(Error::Response { operation, problem });
        }
        Ok(Self { content_type, body: response.body })
    }

    /// Returns the content type, for example `video/webm`.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Returns the next piece, split anywhere; `None` at the end. Cancel-safe: if the future is dropped, no data is lost.
    ///
    /// # Errors
    /// Returns an error if the connection breaks, or no data arrives for the time set in [`Timeouts`](crate::Timeouts).
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.body.next().await
    }
}

/// Returns the media of a stream from a start point to live media, as MKV.
///
/// The service ends the response when there was no new media for about 3 s, and after some time in any case. Call it again
/// with [`StartSelector::AfterFragment`] and the last complete fragment, or use [`MediaTail`](crate::MediaTail).
///
/// ```no_run
/// # async fn example(client: kvs_aws::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{GetMedia, StartSelector};
///
/// let mut body = client.send(GetMedia::new("front-door".parse()?, StartSelector::Earliest)).await?;
/// while let Some(bytes) = body.next().await? {
///     println!("{} bytes", bytes.len()); // for kvs_mkv::fragment::FragmentReader
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GetMedia {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(rename = "StartSelector")]
    start: StartSelector,
}

impl GetMedia {
    /// Creates a request for the media of `stream` from `start`.
    #[must_use]
    pub const fn new(stream: StreamId, start: StartSelector) -> Self {
        Self { stream, start }
    }
}

impl Operation for GetMedia {
    type Output = MediaBody;
    const NAME: &'static str = "GetMedia";
    const PATH: &'static str = "/getMedia";

    fn target(&self) -> Target<'_> {
        Target::DataPlane(&self.stream, &ApiName::GetMedia)
    }

    fn check(&self) -> Result<(), InvalidField> {
        match &self.start {
            StartSelector::ServerTimestamp(time) | StartSelector::ProducerTimestamp(time) => {
                let before = *time < SystemTime::UNIX_EPOCH;
                before.then(|| InvalidField::new("StartTimestamp", FieldProblem::BeforeEpoch)).map_or(Ok(()), Err)
            }
            StartSelector::ContinuationToken(token) => {
                let length = (1, limits::CONTINUATION_TOKEN_CHARS);
                check_text("ContinuationToken", token, length, NAME_CHARACTERS, is_name_character)
            }
            _ => Ok(()),
        }
    }

    async fn read(response: Response) -> Result<MediaBody, Error> {
        MediaBody::open(response).await
    }
}
