//! GetMedia and the bodies that media comes in.

use std::time::SystemTime;

use bytes::Bytes;
use kvs_types::__internal::{NAME_CHARACTERS, check_text, is_name_character};
use kvs_types::{FieldProblem, InvalidField, StartSelector, StreamId};
use serde::Serialize;

use crate::limits;
use crate::net::error::TransportError;
use crate::net::http_send::ResponseBody;
use crate::protocol::error::Error;
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::Response;

/// Media on its way: read piece by piece, never held as a whole.
#[derive(Debug)]
pub struct MediaBody {
    content_type: Option<String>,
    body: ResponseBody,
}

impl MediaBody {
    pub(crate) async fn open(response: Response) -> Result<Self, Error> {
        let content_type = response.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        // Media is never JSON: this is the control plane saying that it does not know the call.
        if content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json")) {
            let (operation, body) = response.bytes(limits::ERROR_BYTES).await?;
            let value = String::from_utf8_lossy(&body).chars().take(80).collect();
            let problem = crate::protocol::error::ResponseProblem::Member { member: "body", value };
            return Err(Error::Response { operation, problem });
        }
        Ok(Self { content_type, body: response.body })
    }

    /// What the service calls it, for example `video/webm`.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The next piece, cut anywhere; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// When the connection breaks or stands still too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.body.next().await
    }
}

/// Asks for a stream's media from somewhere on, as MKV that goes on with the live edge.
///
/// The service ends the body when nothing new has come for about 3 s, and after a long time anyway: ask again with
/// [`StartSelector::AfterFragment`] of the last fragment that was complete. [`MediaTail`](crate::MediaTail)
/// does that.
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
    /// Media of `stream` from `start` on.
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
