//! The limits and tuning constants of the producer. The limits of the service are in [`kvs_types::limits`].

use std::time::Duration;

use kvs_types::limits::{FRAGMENT_BYTES, TAGS_PER_FRAGMENT};

/// Most tags that a user may put on one fragment: the service's limit without the end-of-fragment mark, which may have to
/// follow any fragment and counts as a tag.
pub(crate) const USER_TAGS: usize = TAGS_PER_FRAGMENT - 1;
/// Most persistent tags at a time: more would not fit on a fragment.
pub(crate) const PERSISTENT_TAGS: usize = USER_TAGS;
/// Most events that wait to be polled. Beyond it, the oldest are dropped and counted.
pub(crate) const WAITING_EVENTS: usize = 4096;
/// Most fragments whose payload was freed and that still wait for their acknowledgement.
pub(crate) const UNCONFIRMED: usize = 1024;
/// What a buffered frame counts in addition to its payload: the frame's record and the overhead of its allocation.
pub(crate) const FRAME_OVERHEAD: usize = 128;
/// What a buffered fragment counts in addition to its frames.
pub(crate) const FRAGMENT_OVERHEAD: usize = 512;
/// What parameter sets, SEI and delimiters that wait for their picture may count for, with [`FRAME_OVERHEAD`] for each put. A
/// parameter set has at most 64 KiB, an SEI message rarely more than some KiB.
pub(crate) const HELD_BYTES: usize = 256 << 10;
/// Most ADTS frames in one put: 11 s at 48 kHz. An MPEG-TS packet carries some 14.
pub(crate) const ADTS_FRAMES: usize = 512;
/// Most body bytes that the transport holds and the socket has not accepted.
pub(crate) const SEND_WINDOW: usize = 256 << 10;
/// If the transport accepts bytes this long after it was given them, its buffer was full, so the peer is taking data.
pub(crate) const TRANSPORT_IS_FULL: Duration = Duration::from_secs(1);
/// The longest wait after the reset of a session that persisted something. The jitter keeps the devices behind one router, or
/// of one fleet, from reconnecting in the same instant.
pub(crate) const RECONNECT_AT_ONCE: Duration = Duration::from_millis(100);
/// The first wait after the reset of a session that persisted nothing. It doubles with each such session.
pub(crate) const RECONNECT_FIRST: Duration = Duration::from_millis(200);
/// The longest wait after the reset of a session: far below the five connections per second that the service allows a stream,
/// and short enough that no backlog builds up meanwhile.
pub(crate) const RECONNECT_LATEST: Duration = Duration::from_secs(1);
/// After so many sessions in a row that persisted nothing, an event says so.
pub(crate) const SESSIONS_WITHOUT_PROGRESS: u32 = 5;
/// How often a fragment is sent again after error acknowledgements that name it, before it is reported lost.
pub(crate) const ATTEMPTS: u32 = 5;
/// How long earlier acknowledgements are awaited after an error acknowledgement.
pub(crate) const AFTER_ERROR: Duration = Duration::from_millis(500);
/// 2010-01-01T00:00:00Z. Earlier times come from clocks that were never set: the service did not exist yet.
pub(crate) const CLOCK_WAS_SET: Duration = Duration::from_secs(1_262_304_000);
/// How far the time of a frame may be ahead of the wall clock.
pub(crate) const AHEAD_OF_CLOCK: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the time of a track may be from that of the leading track.
pub(crate) const TRACKS_APART: Duration = Duration::from_secs(10);
/// How far the time of a frame may go back without counting as a jump: reordered pictures and unsynchronized tracks do this.
pub(crate) const STEP_BACK: Duration = Duration::from_secs(2);
/// Shortest configurable fragment: below the service's limit of five fragments per second, with room for resends.
pub(crate) const FRAGMENT_DURATION_FLOOR: Duration = Duration::from_millis(250);
/// Largest jitter of a rotation, so that many devices do not reconnect at the same time.
pub(crate) const ROTATION_JITTER: Duration = Duration::from_secs(180);
/// How long credentials must still be valid when a connection is opened with them.
pub(crate) const CREDENTIALS_MARGIN: Duration = Duration::from_secs(30);
/// How long a data endpoint is used before it is requested again. The service allows caching it; 45 minutes is the usual
/// interval of its clients.
pub(crate) const ENDPOINT_LIFE: Duration = Duration::from_secs(45 * 60);
/// Largest frame: 1 MiB below the largest fragment (minus 1 MB of margin) for headers and other tracks.
pub(crate) const FRAME_BYTES: usize = FRAGMENT_BYTES as usize - 1_000_000 - (1 << 20);
