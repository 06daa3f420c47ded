//! PutMedia: media is sent and acknowledgements are received at the same time, over one HTTP/1.1 connection.

mod body;
mod exchange;
mod read_first;

use std::time::SystemTime;

use http::header::{CONNECTION, HOST, HeaderName, USER_AGENT};
use http::{HeaderValue, Method};
use kvs_types::__internal::epoch_millis;
use kvs_types::{FragmentTimecodeType, StreamId};

pub use exchange::{PutMediaAcks, PutMediaExchange, PutMediaSender, SendPermit, SessionEnded};

use crate::auth::sign::Payload;
use crate::client::{Client, unsendable};
use crate::net::endpoint::Endpoint;
use crate::protocol::error::Error;
use body::PutBody;

/// The request of a PutMedia session, without the media.
///
/// ```no_run
/// # async fn example(client: kvs_aws::Client, media: bytes::Bytes) -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{ApiName, PutMedia, FragmentTimecodeType};
///
/// let stream: kvs_aws::StreamId = "front-door".parse()?;
/// let endpoint = client.data_endpoint(&stream, &ApiName::PutMedia).await?;
/// let exchange = client.put_media(PutMedia::new(stream, FragmentTimecodeType::Absolute), &endpoint).await?;
/// let (mut sender, mut acks) = exchange.split();
/// sender.send([media]).await?;
/// sender.finish().await?;
/// while let Some(text) = acks.next().await? {
///     println!("{}", String::from_utf8_lossy(&text));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PutMedia {
    stream: StreamId,
    timecode_type: FragmentTimecodeType,
    start_timestamp: Option<SystemTime>,
    acks: Acks,
}

/// Whether the service acknowledges fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Acks {
    /// It does.
    #[default]
    Required,
    /// It does not. The response must be read nevertheless.
    NotRequired,
}

impl PutMedia {
    /// Creates a request that sends media to `stream`.
    #[must_use]
    pub const fn new(stream: StreamId, timecode_type: FragmentTimecodeType) -> Self {
        Self { stream, timecode_type, start_timestamp: None, acks: Acks::Required }
    }

    /// Sets the time that relative timecodes count from, with millisecond precision.
    #[must_use]
    pub const fn start_timestamp(mut self, start: SystemTime) -> Self {
        self.start_timestamp = Some(start);
        self
    }

    /// Sets whether the service acknowledges fragments. Default: it does.
    #[must_use]
    pub const fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    fn headers(&self) -> [(HeaderName, Option<String>); 5] {
        let (name, arn) = match &self.stream {
            StreamId::Name(name) => (Some(name.to_string()), None),
            StreamId::Arn(arn) => (None, Some(arn.to_string())),
        };
        let timecodes = self.timecode_type.as_str();
        let acks = match self.acks {
            Acks::Required => "1",
            Acks::NotRequired => "0",
        };
        [
            (HeaderName::from_static("x-amzn-stream-name"), name),
            (HeaderName::from_static("x-amzn-stream-arn"), arn),
            (HeaderName::from_static("x-amzn-fragment-timecode-type"), Some(timecodes.to_owned())),
            (HeaderName::from_static("x-amzn-producer-start-timestamp"), self.start_timestamp.map(decimal_seconds)),
            (HeaderName::from_static("x-amzn-fragment-acknowledgment-required"), Some(acks.to_owned())),
        ]
    }
}

/// Formats seconds with exactly three decimals. AWS's C producer omits leading zeros of the fraction, which turns 7 ms into
/// 700 ms.
fn decimal_seconds(time: SystemTime) -> String {
    let millis = epoch_millis(time);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

impl Client {
    /// Opens a PutMedia session at the stream's data endpoint for PutMedia.
    ///
    /// Returns when the response head has arrived, or after 500 ms without it ([`Timeouts`](crate::Timeouts)); then [`PutMediaAcks::next`] reads the
    /// head. The session is never repeated: the owner of the media decides what to send again.
    ///
    /// # Errors
    /// Returns an error if no connection was established or the service rejected the session.
    pub async fn put_media(&self, session: PutMedia, endpoint: &Endpoint) -> Result<PutMediaExchange, Error> {
        let (body, messages) = PutBody::new();
        let mut request =
            http::Request::builder().method(Method::POST).uri(endpoint.uri("/putMedia").map_err(unsendable)?);
        for (name, value) in session.headers() {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.header(HOST, endpoint.host_header()).header(USER_AGENT, self.user_agent());
        let mut request = request.body(body).map_err(unsendable)?;
        self.sign(&mut request, Payload::Unsigned).await?;
        // A hop-by-hop header, which a proxy may change, so it is not signed.
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        let connection = self.dialer().dial(request.uri().clone()).await?;
        exchange::open(self.clone(), connection, request, messages).await
    }
}

#[cfg(test)]
mod tests {
    use kvs_types::__internal::from_epoch_millis;

    use super::*;

    #[test]
    fn start_timestamps_have_three_decimals() {
        assert_eq!(decimal_seconds(from_epoch_millis(1_699_332_285_007)), "1699332285.007");
        assert_eq!(decimal_seconds(from_epoch_millis(1_699_332_285_000)), "1699332285.000");
    }
}
