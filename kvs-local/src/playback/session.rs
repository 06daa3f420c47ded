//! One streaming session: what it plays, and the answers to its URLs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_media::__internal::{init_segment, media_segment, ts_segment};
use kvs_mkv::Chunks;
use kvs_types::TimestampOrigin;
use serde::Deserialize;

use super::clip::check_same;
use super::error::{changed_tracks, no_fragments, of_later_fragment, read_failed};
use super::length::{frame_ms, steps};
use super::limits::{LIVE_AGE, PLAYLIST_FRAGMENTS, TARGET_SAMPLE};
use super::listing::{Listed, Listing, ListingRules};
use super::media::FragmentMedia;
use super::selection::{Range, fragments_within};
use super::tracks::{Format, Tracks};
use super::{dash, hls};
use crate::api::{ApiError, Exception};
use crate::ingest::NumberParts;
use crate::store::{FragmentRecord, Store};

/// What a session plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PlaybackMode {
    /// The newest fragments.
    #[default]
    Live,
    /// Stored fragments at the speed of live ones.
    LiveReplay,
    /// Stored fragments.
    OnDemand,
}

/// The container of HLS media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ContainerFormat {
    #[default]
    FragmentedMp4,
    MpegTs,
}

/// Where an HLS playlist marks discontinuities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DiscontinuityMode {
    /// Before every fragment.
    Always,
    Never,
    /// At gaps, overlaps and changes of codec private data.
    OnDiscontinuity,
}

/// Whether a playlist has times or numbers of fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Display {
    Always,
    #[default]
    Never,
}

/// The protocol of a session, with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Hls(HlsOptions),
    Dash(DashOptions),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HlsOptions {
    pub(crate) container: ContainerFormat,
    pub(crate) discontinuity: DiscontinuityMode,
    pub(crate) timestamps: Display,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DashOptions {
    pub(crate) timestamps: Display,
    pub(crate) numbers: Display,
}

/// A checked request for a session.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) stream: PlayedStream,
    pub(crate) protocol: Protocol,
    pub(crate) mode: PlaybackMode,
    pub(crate) origin: TimestampOrigin,
    pub(crate) range: Option<Range>,
    /// Fragments in a playlist.
    pub(crate) most: usize,
}

/// The stream of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlayedStream {
    pub(crate) name: String,
    /// Its name in the store.
    pub(crate) key: String,
    /// Tells it apart from a later stream of this name.
    pub(crate) created_ms: u64,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) stream: PlayedStream,
    pub(super) protocol: Protocol,
    pub(super) rules: ListingRules,
    pub(super) sample: SampleInfo,
    /// The longest fragment that is known when the session begins, in whole seconds, rounded up. A playlist must not change it.
    pub(super) target_seconds: u64,
    /// Start of the time axis of a DASH session.
    pub(super) availability_start_ms: u64,
    listing: Mutex<Listing>,
}

/// What the first fragment says about the media.
#[derive(Clone, Debug)]
pub(super) struct SampleInfo {
    pub(super) tracks: Tracks,
    pub(super) bits_per_second: u64,
    /// Frames of track 1 per 100 seconds.
    pub(super) centi_frames: u64,
}

impl Session {
    /// Begins a session: checks the first fragment and lists what it starts with. Blocks.
    pub(crate) fn begin(store: &Store, request: NewSession, now: SystemTime) -> Result<Self, ApiError> {
        let NewSession { stream, protocol, mode, origin, range, most } = request;
        let (key, format) = (stream.key.clone(), protocol.format());
        let first = first_fragments(store, &key, mode, range, now, most)?;
        let (record, next) = first.split_first().ok_or_else(|| no_fragments("streaming"))?;
        let parts = NumberParts::of(&record.number).ok_or_else(ApiError::internal)?;
        let media = FragmentMedia::load(store, &key, parts)?;
        let tracks = media.tracks(format)?;
        let frame_ms = frame_ms(&media.frames, record, next.first());
        let sample = SampleInfo::new(tracks, &media, frame_ms);
        let discontinuity = match protocol {
            Protocol::Hls(options) => options.discontinuity,
            Protocol::Dash(_) => DiscontinuityMode::Never,
        };
        let rules = ListingRules { key, mode, origin, range, most, discontinuity, frame_ms, format, created: now };
        let listing = Listing::begin(store, &rules, now)?;
        let target_seconds = target_seconds(store, &rules, &listing)?;
        let availability_start_ms = listing.axis_start_ms;
        let listing = Mutex::new(listing);
        Ok(Self { stream, protocol, rules, sample, target_seconds, availability_start_ms, listing })
    }

    fn listing(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the playlist that names the others.
    pub(crate) fn hls_master(&self, token: &str) -> Result<String, ApiError> {
        let options = self.hls()?;
        Ok(hls::master(&self.sample, options, token))
    }

    /// Returns the playlist of a track. Blocks.
    pub(crate) fn hls_media(
        &self,
        store: &Store,
        token: &str,
        track: u64,
        now: SystemTime,
    ) -> Result<String, ApiError> {
        let options = self.hls()?;
        self.check_track(track)?;
        let mut listing = self.listing();
        listing.advance(store, &self.rules, now)?;
        Ok(hls::media(self, options, &listing, token, track))
    }

    /// Returns the manifest. Blocks.
    pub(crate) fn dash_manifest(&self, store: &Store, token: &str, now: SystemTime) -> Result<String, ApiError> {
        let Protocol::Dash(options) = self.protocol else { return Err(wrong_protocol()) };
        let mut listing = self.listing();
        listing.advance(store, &self.rules, now)?;
        Ok(dash::manifest(self, options, &listing, token, now))
    }

    /// Returns the initialization segment of a track.
    pub(crate) fn init(&self, track: u64, generation: usize) -> Result<Chunks, ApiError> {
        let listing = self.listing();
        let tracks = listing.tracks(generation).ok_or_else(|| unknown("SequenceNumber"))?;
        let setup = tracks.get(track).ok_or_else(|| unknown("TrackNumber"))?;
        Ok(init_segment(setup).into())
    }

    /// Finds a listed fragment by its number.
    pub(crate) fn fragment(&self, number: &str) -> Result<FragmentRef, ApiError> {
        let parts = number.parse().ok().and_then(|number| NumberParts::of(&number));
        let parts = parts.ok_or_else(|| unknown("FragmentNumber"))?;
        let listing = self.listing();
        let listed = listing.by_number(parts).ok_or_else(|| unknown("FragmentNumber"))?;
        let start_ms = listed.start_ms.saturating_sub(listing.epoch_ms);
        Ok(FragmentRef { listed, start_ms, sequence: 0 })
    }

    /// Finds a listed fragment by its sequence number in the session, which starts at 1.
    pub(crate) fn segment(&self, sequence: u64) -> Result<FragmentRef, ApiError> {
        let index = sequence.checked_sub(1).ok_or_else(|| unknown("SequenceNumber"))?;
        let listed = self.listing().by_index(index).ok_or_else(|| unknown("SequenceNumber"))?;
        Ok(FragmentRef { listed, start_ms: listed.offset_ms, sequence })
    }

    /// Returns the media of a fragment for one track. Blocks.
    pub(crate) fn mp4(&self, store: &Store, fragment: FragmentRef, track: u64) -> Result<Chunks, ApiError> {
        self.check_track(track)?;
        let media = FragmentMedia::load(store, &self.rules.key, fragment.listed.number)?;
        let tracks = self.tracks_of(&media)?;
        let setup = tracks.get(track).ok_or_else(|| unknown("TrackNumber"))?;
        let run = media.run(setup, fragment.start_ms, fragment.listed.length_ms)?;
        let sequence = u32::try_from(fragment.sequence).unwrap_or(u32::MAX).max(1);
        Ok(media_segment(setup, sequence, run))
    }

    /// Returns the media of a fragment as a transport stream. Blocks.
    pub(crate) fn transport_stream(&self, store: &Store, fragment: FragmentRef) -> Result<Chunks, ApiError> {
        if self.hls()?.container != ContainerFormat::MpegTs {
            return Err(wrong_protocol());
        }
        let media = FragmentMedia::load(store, &self.rules.key, fragment.listed.number)?;
        let tracks = self.tracks_of(&media)?;
        let run = |setup| media.run(setup, fragment.start_ms, fragment.listed.length_ms).map(|run| (setup, run));
        let runs = tracks.all().iter().map(run).collect::<Result<Vec<_>, _>>()?;
        let runs: Vec<_> = runs.iter().map(|(setup, run)| (*setup, run)).collect();
        let number = media.record.number.as_str();
        ts_segment(&runs).map(Chunks::from).ok_or_else(|| changed_tracks(number))
    }

    /// Returns the tracks of a fragment if the session can go on with them.
    fn tracks_of(&self, media: &FragmentMedia) -> Result<Tracks, ApiError> {
        if let Protocol::Dash(_) = self.protocol {
            check_same(&self.sample.tracks, media, self.rules.format)?;
        }
        let number = media.record.number.as_str();
        let tracks = media.tracks(self.rules.format).map_err(|error| of_later_fragment(error, number))?;
        if tracks.is_alike(&self.sample.tracks) {
            return Ok(tracks);
        }
        Err(changed_tracks(number))
    }

    fn check_track(&self, track: u64) -> Result<(), ApiError> {
        self.sample.tracks.get(track).map(drop).ok_or_else(|| unknown("TrackNumber"))
    }

    /// Returns the points of fragment metadata that a playlist costs: the most fragments it may have.
    pub(crate) fn playlist_points(&self, is_list: bool) -> u64 {
        if is_list { self.rules.most as u64 } else { 0 }
    }

    fn hls(&self) -> Result<HlsOptions, ApiError> {
        match self.protocol {
            Protocol::Hls(options) => Ok(options),
            Protocol::Dash(_) => Err(wrong_protocol()),
        }
    }
}

/// A fragment that a player asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FragmentRef {
    listed: Listed,
    /// Where it starts on the time axis of the player.
    start_ms: u64,
    /// Number of the segment.
    sequence: u64,
}

impl FragmentRef {
    /// Returns its bytes in the store.
    pub(crate) const fn bytes(&self) -> u64 {
        self.listed.bytes
    }
}

impl SampleInfo {
    fn new(tracks: Tracks, media: &FragmentMedia, frame_ms: u64) -> Self {
        let length_ms = millis(media.record.duration).saturating_add(frame_ms);
        let bits = media.record.bytes.saturating_mul(8);
        let per_second = |amount: u64, ms: u64| amount.saturating_mul(1000).checked_div(ms).unwrap_or(0);
        // A fragment with one frame lasts until the next one.
        let (span, frames) = match steps(&media.frames) {
            (0, _) | (_, 0) => (frame_ms, 1),
            several => several,
        };
        let centi_frames = per_second(frames.saturating_mul(100), span);
        Self { tracks, bits_per_second: per_second(bits, length_ms).max(1), centi_frames }
    }
}

impl Protocol {
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Hls(HlsOptions { container: ContainerFormat::FragmentedMp4, .. }) => Format::HlsMp4,
            Self::Hls(HlsOptions { container: ContainerFormat::MpegTs, .. }) => Format::HlsTs,
            Self::Dash(_) => Format::Dash,
        }
    }
}

/// Returns the first fragment of a session, and the next one if there is one.
fn first_fragments(
    store: &Store,
    key: &str,
    mode: PlaybackMode,
    range: Option<Range>,
    now: SystemTime,
    most: usize,
) -> Result<Vec<FragmentRecord>, ApiError> {
    let found = match (mode, range) {
        (PlaybackMode::Live, _) | (_, None) => {
            let newest = store.newest(key, most).map_err(|error| read_failed(&error))?;
            let is_live = |last: &FragmentRecord| {
                let end = last.server_timestamp.checked_add(last.duration).unwrap_or(now);
                now.duration_since(end).unwrap_or_default() <= LIVE_AGE
            };
            return Ok(if newest.last().is_some_and(is_live) { newest } else { Vec::new() });
        }
        (_, Some(range)) => fragments_within(store, key, range, 2),
    };
    found.map_err(|error| read_failed(&error))
}

/// Returns the length that no segment should exceed, in seconds: `EXTINF`, rounded to the nearest second, must not (RFC 8216 §4.3.3.1).
/// Of fragments that are not listed yet, the newest ones, or those of the range, tell how long they get: one that is longer than all of
/// them breaks the promise.
fn target_seconds(store: &Store, rules: &ListingRules, listing: &Listing) -> Result<u64, ApiError> {
    let listed = listing.longest_ms().div_ceil(1000).max(1);
    let known = match (rules.mode, rules.range) {
        (PlaybackMode::OnDemand, _) => return Ok(listed),
        (PlaybackMode::LiveReplay, Some(range)) => {
            store.page(&rules.key, &range.selection(), None, PLAYLIST_FRAGMENTS as usize)
        }
        _ => store.newest(&rules.key, TARGET_SAMPLE),
    };
    let known = known.map_err(|error| read_failed(&error))?;
    let after = known.iter().skip(1).map(Some).chain([None]);
    let stored = known.iter().zip(after).map(|(record, next)| stored_ms(record, next, rules.frame_ms)).max();
    Ok(listed.max(stored.unwrap_or(0).saturating_add(500) / 1000))
}

/// Returns how long a fragment lasts as far as the index tells: up to the next one, unless that is much later.
fn stored_ms(record: &FragmentRecord, next: Option<&FragmentRecord>, frame_ms: u64) -> u64 {
    let own = millis(record.duration);
    let distance =
        next.and_then(|next| next.producer_timestamp.duration_since(record.producer_timestamp).ok()).map(millis);
    distance.filter(|distance| distance.saturating_sub(own) <= own / 2).unwrap_or(own.saturating_add(frame_ms))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unknown(member: &str) -> ApiError {
    ApiError::new(Exception::ResourceNotFound, format!("{member} is not one of this streaming session"))
}

fn wrong_protocol() -> ApiError {
    ApiError::invalid("this streaming session is of another protocol or container format")
}
