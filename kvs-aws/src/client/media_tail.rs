//! GetMedia without an end: opened again where it left off.

use std::time::Duration;

use bytes::Bytes;
use kvs_types::StreamId;

use crate::client::Client;
use crate::ops::media::{GetMedia, MediaBody, StartSelector};
use crate::protocol::error::{Error, TransportError};

/// Pause before a body is opened again: the service takes five GetMedia a second of a stream (quotas), and one that
/// ended has nothing new for the moment.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows a stream's media over as many GetMedia calls as it takes, no fragment twice and none missed.
///
/// The bytes are MKV, which this crate does not read. Whoever reads them starts afresh at each [`TailEvent::Opened`],
/// throwing away what is incomplete, and calls [`complete`](Self::complete) for each fragment that was whole: the next
/// call starts right after it.
///
/// ```no_run
/// # async fn example(client: kvs_aws::Client) -> Result<(), kvs_aws::Error> {
/// use kvs_aws::{TailEvent, MediaTail, StartSelector};
///
/// let mut media = MediaTail::new(client, "front-door".parse()?, StartSelector::Earliest);
/// loop {
///     match media.next().await? {
///         TailEvent::Opened => println!("a new body: start parsing afresh"),
///         TailEvent::Data(bytes) => println!("{} bytes", bytes.len()), // into a FragmentReader, then media.complete(number)
///         TailEvent::Ended(why) => println!("ended: {why:?}; going on where it left off"),
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
/// Fresh --opened--> Reading --end, break--> Waiting --after a pause, opened--> Reading
/// ```
#[derive(Debug)]
enum State {
    Fresh,
    Reading(MediaBody),
    Waiting(tokio::time::Instant),
}

/// What happened while following.
#[derive(Debug)]
#[non_exhaustive]
pub enum TailEvent {
    /// A body begins: what follows is a new MKV stream.
    Opened,
    /// Bytes of it, cut anywhere.
    Data(Bytes),
    /// It ended, by the service or by the network. The next call opens another one.
    Ended(Option<TransportError>),
}

impl MediaTail {
    /// Follows `stream` from `start` on. Nothing is sent before [`next`](Self::next).
    #[must_use]
    pub const fn new(client: Client, stream: StreamId, start: StartSelector) -> Self {
        Self { client, stream, start, state: State::Fresh }
    }

    /// Notes that the fragment of this number was read as a whole: a body opened from now on starts after it.
    pub fn complete(&mut self, fragment_number: impl Into<String>) {
        self.start = StartSelector::AfterFragment(fragment_number.into());
    }

    /// The next thing that happens. Cancel-safe: a dropped call loses no bytes.
    ///
    /// # Errors
    /// When a body cannot be opened; calling again tries again.
    pub async fn next(&mut self) -> Result<TailEvent, Error> {
        if let State::Reading(body) = &mut self.state {
            let ended = match body.next().await {
                Ok(Some(bytes)) => return Ok(TailEvent::Data(bytes)),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            self.state = State::Waiting(tokio::time::Instant::now() + PAUSE);
            return Ok(TailEvent::Ended(ended));
        }
        if let State::Waiting(until) = self.state {
            tokio::time::sleep_until(until).await;
        }
        let body = self.client.send(GetMedia::new(self.stream.clone(), self.start.clone())).await?;
        self.state = State::Reading(body);
        Ok(TailEvent::Opened)
    }
}
