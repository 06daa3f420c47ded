//! Every limit that is the producer's own. Those of the service are in [`kvs_types::limits`].

use std::time::Duration;

/// Tags that a user may put on one fragment: the service's ten less the end-of-fragment mark, which may have to follow any
/// fragment and counts as one.
pub const USER_TAGS: usize = kvs_types::limits::TAGS_PER_FRAGMENT - 1;
/// Persistent tags that may be set at a time: more could not go out with any fragment.
pub const PERSISTENT_TAGS: usize = USER_TAGS;
/// Events that wait for [`poll_event`](crate::ProducerCore::poll_event); beyond it the oldest are counted and dropped.
pub const WAITING_EVENTS: usize = 4096;
/// Fragments whose payload was given up after they were sent and that still wait for their ack.
pub const UNCONFIRMED: usize = 1024;
/// What one buffered frame is counted as beside its payload: the frame's record and the allocation it may sit in.
pub const FRAME_OVERHEAD: usize = 128;
/// What one buffered fragment is counted as beside its frames.
pub const FRAGMENT_OVERHEAD: usize = 512;
/// Body bytes that may be with the transport and not yet taken by the socket.
pub const SEND_WINDOW: usize = 256 << 10;
/// Bytes that the transport takes so long after it was given them waited for room: the line behind it moves.
pub const LINE_IS_FULL: Duration = Duration::from_secs(1);
/// How often a fragment is sent again after errors that speak of it before it is reported lost.
pub const ATTEMPTS: u32 = 5;
/// Error acks may come with earlier acks behind them: how long they are waited for before the connection is dropped.
pub const AFTER_ERROR: Duration = Duration::from_millis(500);
/// Times before 2010-01-01T00:00:00Z come from clocks that were never set: no camera of this service is that old.
pub const CLOCK_WAS_SET: Duration = Duration::from_secs(1_262_304_000);
/// How far ahead of the wall clock a frame's absolute time may lie.
pub const AHEAD_OF_CLOCK: Duration = Duration::from_secs(24 * 60 * 60);
/// How far a track's time may lie from the leading track's.
pub const TRACKS_APART: Duration = Duration::from_secs(10);
/// How far back a frame's time may lie without being a jump: reordered pictures and tracks out of step do this.
pub const STEP_BACK: Duration = Duration::from_secs(2);
/// Shortest fragment that keeps a stream under the service's five fragments a second, with room for a resend.
pub const FRAGMENT_DURATION_FLOOR: Duration = Duration::from_millis(250);
/// Longest the credentials' end is moved forward by chance, so that many devices do not rotate in step.
pub const ROTATION_JITTER: Duration = Duration::from_secs(180);
/// Least time that credentials must still be valid for a connection to be opened with them.
pub const CREDENTIALS_MARGIN: Duration = Duration::from_secs(30);
/// How long a data endpoint is used before it is asked for again, as the API reference of GetDataEndpoint advises.
pub const ENDPOINT_LIFE: Duration = Duration::from_secs(45 * 60);
/// Largest frame: what a fragment may hold less a megabyte for what the container and the other tracks add.
pub const FRAME_BYTES: usize = 49_000_000 - (1 << 20);
