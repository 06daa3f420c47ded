//! Limits of playback, with their sources. Unless another is named: the API reference of the three calls.

use std::time::Duration;

pub(crate) use kvs_types::limits::{CLIP_RANGE, PLAYLIST_FRAGMENTS, SESSION_EXPIRES_SECONDS};

/// Fragments of a clip.
pub(crate) const CLIP_FRAGMENTS: usize = 200;
/// Bytes of the fragments of a clip: 100 MB.
pub(crate) const CLIP_BYTES: u64 = 100_000_000;
/// Frames of a clip: our choice. Their tables take 16 bytes each. 200 fragments of 20 s at 60 frames per second with sound are
/// fewer.
pub(crate) const CLIP_FRAMES: usize = 1_000_000;
/// GetClip requests that collect their tables at a time: our choice.
pub(crate) const CLIPS: usize = 4;
/// Lifetime of a session when the request states none, in seconds.
pub(crate) const EXPIRES_SECONDS: u32 = 300;
/// Fragments in a live playlist or manifest when the request states none.
pub(crate) const LIVE_FRAGMENTS: u32 = 5;
/// Fragments in the playlist or manifest of stored media when the request states none.
pub(crate) const ON_DEMAND_FRAGMENTS: u32 = 1000;
/// A live session needs a fragment that is not older.
pub(crate) const LIVE_AGE: Duration = Duration::from_secs(30);
/// Changes of codec private data in an HLS session.
pub(crate) const CODEC_CHANGES: usize = 500;
/// A gap or an overlap that `ON_DISCONTINUITY` marks is longer.
pub(crate) const DISCONTINUITY: Duration = Duration::from_millis(50);
/// Sessions at a time: our choice. One takes 80 bytes per fragment of its playlist.
pub(crate) const SESSIONS: usize = 4096;
/// Newest fragments whose longest one a live playlist states as the longest: our choice.
pub(crate) const TARGET_SAMPLE: usize = 100;
/// How much longer a segment of a live DASH session has ended, on the clock of the manifest, than it really has: our choice. The clocks of
/// players are behind by the time that the manifest took to them. dash.js asks again only after half a second.
pub(crate) const CLOCK_MARGIN_MS: u64 = 1000;
/// How far live media on the axis of a DASH session may fall behind the clock by gaps: our choice. The service closes gaps, but players
/// ask for what the clock says, so a longer gap stays.
pub(crate) const LIVE_LAG: Duration = Duration::from_secs(2);
/// Sessions of the status page of one stream at a time: our choice. A further one ends the one that was not used for the longest time.
pub(crate) const PAGE_STREAM_SESSIONS: usize = 16;
/// Sessions of the status page at a time, of all streams: our choice.
pub(crate) const PAGE_SESSIONS: usize = 256;
/// How long a session of the status page lives after it was used: 10 minutes, our choice. A player asks every few seconds.
pub(crate) const PAGE_IDLE: Duration = Duration::from_secs(600);
/// Fragments that a live session still serves after they have left its playlist: our choice, since a player may have read the
/// playlist just before.
pub(crate) const SERVED_BEHIND: usize = 20;
/// KiB of media that are being sent to players at a time, as segments and as clips: 512 MiB, our choice. Further requests wait.
pub(crate) const MEDIA_KIB: usize = 512 << 10;
/// How long a second upload of the same start still replaces the first one: our choice. Later it is another collection, and the
/// oldest one is played.
pub(crate) const RETRANSMISSION: Duration = Duration::from_secs(300);
/// Length of a fragment with a single frame when nothing follows it: 1 s, our choice.
pub(crate) const SINGLE_FRAME_MS: u64 = 1000;
/// Characters of the query of a playback URL: our choice. The token has 152.
pub(crate) const QUERY_CHARS: usize = 1024;
