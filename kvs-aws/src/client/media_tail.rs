//! GetMedia without an end: a new call continues where the last one ended.

use std::time::Duration;

use bytes::Bytes;
use kvs_types::{FragmentNumber, StartSelector, StreamId};

use crate::client::Client;
use crate::net::error::TransportError;
use crate::ops::media::{GetMedia, MediaBody};
use crate::protocol::error::Error;

/// Pause before the next call: the service accepts five GetMedia calls per second of a stream (quotas), and right after an end
/// there is no new media.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the media of a stream over any number of GetMedia calls, without losing or repeating complete fragments.
///
/// The data is MKV, which this crate does not parse; use `FragmentReader` of kvs-mkv. Start a new reader at each
/// [`TailEvent::Opened`] and drop the incomplete fragment of the previous one. Call
/// [`fragment_complete`](Self::fragment_complete) for each complete fragment: the next call starts after it.
///
/// ```no_run
/// # async fn example(client: kvs_aws::Client) -> Result<(), kvs_aws::Error> {
/// use kvs_aws::{MediaTail, StartSelector, TailEvent};
///
/// let mut tail = MediaTail::new(client, "front-door".parse()?, StartSelector::Earliest);
/// loop {
///     match tail.next().await? {
///         TailEvent::Opened => println!("a new MKV document follows"),
///         TailEvent::Data(bytes) => println!("{} bytes", bytes.len()), // parse, then tail.fragment_complete(number)
///         TailEvent::Ended(cause) => println!("ended ({cause:?}); the next call continues"),
///         _ => {}
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct MediaTail {
    client: Client,
    stream: StreamId,
    start: StartSelector,
    state: State,
}

/// ```text
/// Fresh --opened--> Reading --end, error--> Waiting --pause over, opened--> Reading
/// ```
#[derive(Debug)]
enum State {
    Fresh,
    Reading(MediaBody),
    Waiting(tokio::time::Instant),
}

/// An event of a [`MediaTail`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TailEvent {
    /// A GetMedia call succeeded; its data is a new MKV document.
    Opened,
    /// The next bytes of the document, split anywhere.
    Data(Bytes),
    /// The document ended: the service ended it (`None`), or the connection broke. The next call continues.
    Ended(Option<TransportError>),
}

impl MediaTail {
    /// Creates a tail that begins at `start`. Sends nothing before [`next`](Self::next).
    #[must_use]
    pub const fn new(client: Client, stream: StreamId, start: StartSelector) -> Self {
        Self { client, stream, start, state: State::Fresh }
    }

    /// Records that a fragment was read completely. The next GetMedia call starts after it.
    pub fn fragment_complete(&mut self, fragment_number: FragmentNumber) {
        self.start = StartSelector::AfterFragment(fragment_number);
    }

    /// Returns the next event. Cancel-safe: if the future is dropped, no data is lost.
    ///
    /// # Errors
    /// Returns an error if a GetMedia call fails. Calling `next` again repeats it.
    pub async fn next(&mut self) -> Result<TailEvent, Error> {
        if let State::Reading(body) = &mut self.state {
            let cause = match body.next().await {
                Ok(Some(bytes)) => return Ok(TailEvent::Data(bytes)),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            self.state = State::Waiting(tokio::time::Instant::now() + PAUSE);
            return Ok(TailEvent::Ended(cause));
        }
        if let State::Waiting(until) = self.state {
            tokio::time::sleep_until(until).await;
        }
        let body = self.client.send(GetMedia::new(self.stream.clone(), self.start.clone())).await?;
        self.state = State::Reading(body);
        Ok(TailEvent::Opened)
    }
}
