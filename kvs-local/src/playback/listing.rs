//! The fragments that a session lists, in the order in which a player gets them.
//!
//! What a playlist once said about a fragment stays: its length, its place in time, its mark of discontinuity. Players rely on it.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use kvs_types::__internal::epoch_millis;
use kvs_types::TimestampOrigin;

use super::length::{distance_ms, own_ms};
use super::limits::{CLOCK_MARGIN_MS, CODEC_CHANGES, DISCONTINUITY, LIVE_LAG, PLAYLIST_FRAGMENTS, SERVED_BEHIND};
use super::media::FragmentMedia;
use super::selection::{Range, fragments_within, goes_back};
use super::session::{DiscontinuityMode, PlaybackMode};
use super::tracks::{Format, Tracks};
use super::{no_fragments, read_failed};
use crate::api::{ApiError, Exception};
use crate::ingest::NumberParts;
use crate::store::{FragmentRecord, Selection, Store};

/// What decides about the fragments of a session.
#[derive(Clone, Debug)]
pub(super) struct ListingRules {
    /// The name of the stream in the store.
    pub(super) key: String,
    pub(super) mode: PlaybackMode,
    pub(super) origin: TimestampOrigin,
    /// For stored media and replay.
    pub(super) range: Option<Range>,
    /// Fragments in a playlist.
    pub(super) most: usize,
    pub(super) discontinuity: DiscontinuityMode,
    /// Time from frame to frame, for fragments that nothing follows.
    pub(super) frame_ms: u64,
    pub(super) format: Format,
    pub(super) created: SystemTime,
}

/// A listed fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) number: NumberParts,
    /// Its start on the clock of the session, in ms since 1970.
    pub(super) start_ms: u64,
    pub(super) length_ms: u64,
    /// Its start on the axis of a DASH player.
    pub(super) offset_ms: u64,
    /// Bytes in the store.
    pub(super) bytes: u64,
    pub(super) is_discontinuous: bool,
    /// Index of its codec private data among those of the session.
    pub(super) generation: usize,
}

/// The listed fragments of a session.
#[derive(Debug, Default)]
pub(super) struct Listing {
    entries: VecDeque<Listed>,
    /// Index in the session of the first entry.
    first: u64,
    first_number: Option<NumberParts>,
    /// The start of the first fragment of the session.
    pub(super) epoch_ms: u64,
    /// Where the time axis of a DASH player starts, in ms since 1970. Live segments are available when their end has passed on it.
    pub(super) axis_start_ms: u64,
    /// Gaps that were closed on that axis while the session was live.
    lag_ms: u64,
    /// End of the last listed fragment by the producer's clock.
    producer_end_ms: Option<u64>,
    /// The last fragment that was considered, listed or not.
    seen: Option<NumberParts>,
    /// Start of the last listed fragment by the producer's clock.
    last_producer: Option<SystemTime>,
    /// When the next fragment of a replay is due.
    due: Option<SystemTime>,
    /// No fragment will follow.
    pub(super) is_complete: bool,
    /// The tracks of the fragments, by the index of their codec private data.
    generations: Vec<Tracks>,
}

impl Listing {
    /// Lists the fragments that a new session starts with. Blocks.
    pub(super) fn begin(store: &Store, rules: &ListingRules, now: SystemTime) -> Result<Self, ApiError> {
        let mut listing = Self::default();
        match (rules.mode, rules.range) {
            (PlaybackMode::OnDemand, Some(range)) => {
                let records = fragments_within(store, &rules.key, range, rules.most).map_err(|e| read_failed(&e))?;
                listing.append(store, rules, (&records, None), None)?;
                listing.is_complete = true;
            }
            (PlaybackMode::Live, _) => {
                let newest = store.newest(&rules.key, rules.most).map_err(|error| read_failed(&error))?;
                listing.append(store, rules, (&newest, None), None)?;
            }
            _ => listing.advance(store, rules, now)?,
        }
        listing.axis_start_ms = match rules.mode {
            PlaybackMode::OnDemand => listing.epoch_ms,
            PlaybackMode::Live | PlaybackMode::LiveReplay => {
                epoch_millis(now).saturating_sub(listing.end_ms()).saturating_sub(CLOCK_MARGIN_MS)
            }
        };
        if listing.entries.is_empty() { Err(no_fragments("streaming")) } else { Ok(listing) }
    }

    /// Adds the fragments that have become available. Blocks.
    pub(super) fn advance(&mut self, store: &Store, rules: &ListingRules, now: SystemTime) -> Result<(), ApiError> {
        match (rules.mode, rules.range) {
            _ if self.is_complete => Ok(()),
            (PlaybackMode::LiveReplay, Some(range)) => self.replay(store, rules, range, now),
            _ => {
                let seen = self.seen.map(NumberParts::number);
                let records = store.page(&rules.key, &Selection::All, seen.as_ref(), PLAYLIST_FRAGMENTS as usize);
                let records = records.map_err(|error| read_failed(&error))?;
                let is_live_axis = rules.format == Format::Dash && rules.mode == PlaybackMode::Live;
                self.append(store, rules, (&records, None), is_live_axis.then_some(now))
            }
        }
    }

    /// Adds each fragment when the length of the one before it has passed, as if the media were live.
    fn replay(&mut self, store: &Store, rules: &ListingRules, range: Range, now: SystemTime) -> Result<(), ApiError> {
        loop {
            let due = self.due.unwrap_or(rules.created);
            if due > now {
                return Ok(());
            }
            let seen = self.seen.map(NumberParts::number);
            let two =
                store.page(&rules.key, &range.selection(), seen.as_ref(), 2).map_err(|error| read_failed(&error))?;
            let Some((record, next)) = two.split_first() else {
                self.is_complete = range.to < now;
                return Ok(());
            };
            let back = self.last_producer.and_then(|last| last.duration_since(record.producer_timestamp).ok());
            if rules.origin == TimestampOrigin::Producer && back.is_some_and(|back| goes_back(back, record.duration)) {
                // A second collection of the range.
                self.is_complete = true;
                return Ok(());
            }
            self.append(store, rules, (std::slice::from_ref(record), next.first()), None)?;
            // A fragment is added when its own length has passed since the one before it was.
            let following =
                next.first().unwrap_or(record).duration.saturating_add(Duration::from_millis(rules.frame_ms));
            self.due = due.checked_add(following);
        }
    }

    /// Lists fragments. `after` follows them. `live` is the time if they go on an axis that follows the clock.
    fn append(
        &mut self,
        store: &Store,
        rules: &ListingRules,
        (records, after): (&[FragmentRecord], Option<&FragmentRecord>),
        live: Option<SystemTime>,
    ) -> Result<(), ApiError> {
        for (index, record) in records.iter().enumerate() {
            let Some(number) = NumberParts::of(&record.number) else { continue };
            if self.seen.is_some_and(|seen| seen >= number) && rules.mode != PlaybackMode::OnDemand {
                continue;
            }
            let before = self.seen.replace(number);
            // A fragment with the start of one that is already listed is the same one again.
            if rules.mode != PlaybackMode::OnDemand
                && rules.origin == TimestampOrigin::Producer
                && self.last_producer == Some(record.producer_timestamp)
            {
                continue;
            }
            let generation = self.generation(store, rules, number, before)?;
            let next = records.get(index.saturating_add(1)).or(after);
            let length_ms = match distance_ms(record, next, rules.frame_ms) {
                Some(distance) => distance,
                // The last one, or one before a gap.
                None => FragmentMedia::load(store, &rules.key, number)
                    .map_or(rules.frame_ms, |media| own_ms(&media.frames, rules.frame_ms)),
            };
            let offset_ms = self.offset_ms(record, length_ms, live);
            self.push(rules, record, (number, generation), (offset_ms, length_ms));
            self.last_producer = Some(record.producer_timestamp);
        }
        Ok(())
    }

    /// Returns where a fragment goes on the axis of a DASH player: behind the last one, so that gaps are closed as in the service.
    ///
    /// Live players ask for what the clock says. So once gaps in the media add up to [`LIVE_LAG`], the next fragment is moved by them,
    /// but not past the clock. Media that was only late leaves no gap.
    fn offset_ms(&mut self, record: &FragmentRecord, length_ms: u64, live: Option<SystemTime>) -> u64 {
        let end = self.end_ms();
        let start = epoch_millis(record.producer_timestamp);
        let gap = self.producer_end_ms.map_or(0, |end| start.saturating_sub(end));
        self.producer_end_ms = Some(start.saturating_add(length_ms));
        let Some(now) = live else { return end };
        self.lag_ms = self.lag_ms.saturating_add(gap);
        if Duration::from_millis(self.lag_ms) < LIVE_LAG {
            return end;
        }
        let elapsed = epoch_millis(now).saturating_sub(self.axis_start_ms);
        let latest = elapsed.saturating_sub(length_ms);
        let offset = end.saturating_add(self.lag_ms).min(latest).max(end);
        self.lag_ms = 0;
        offset
    }

    fn push(
        &mut self,
        rules: &ListingRules,
        record: &FragmentRecord,
        (number, generation): (NumberParts, usize),
        (offset_ms, length_ms): (u64, u64),
    ) {
        let start_ms = epoch_millis(match rules.origin {
            TimestampOrigin::Producer => record.producer_timestamp,
            TimestampOrigin::Server => record.server_timestamp,
        });
        let last = self.entries.back();
        let jumps = last.is_some_and(|last| {
            let gap = start_ms.abs_diff(last.start_ms.saturating_add(last.length_ms));
            Duration::from_millis(gap) > DISCONTINUITY || generation != last.generation
        });
        let is_discontinuous = match rules.discontinuity {
            DiscontinuityMode::Always => true,
            DiscontinuityMode::Never => false,
            DiscontinuityMode::OnDiscontinuity => jumps,
        };
        if self.first_number.is_none() {
            (self.first_number, self.epoch_ms) = (Some(number), start_ms);
        }
        let bytes = record.bytes;
        self.entries.push_back(Listed { number, start_ms, length_ms, offset_ms, bytes, is_discontinuous, generation });
        if self.entries.len() > rules.most.saturating_add(SERVED_BEHIND) {
            self.entries.pop_front();
            self.first = self.first.saturating_add(1);
        }
    }

    /// Returns the index of the codec private data of a fragment.
    ///
    /// The header of a session is that of all its fragments, and a session begins at a sequence of its own: only a fragment of
    /// another session is read. DASH checks each segment when it is fetched, since it allows no change.
    fn generation(
        &mut self,
        store: &Store,
        rules: &ListingRules,
        number: NumberParts,
        before: Option<NumberParts>,
    ) -> Result<usize, ApiError> {
        let current = self.generations.len().saturating_sub(1);
        let is_same_session = before.is_some_and(|before| before.session() == number.session());
        if !self.generations.is_empty() && (is_same_session || rules.format == Format::Dash) {
            return Ok(current);
        }
        // A fragment that cannot be played is listed, and refused with its reason when it is fetched.
        let tracks = match FragmentMedia::load(store, &rules.key, number).and_then(|media| media.tracks(rules.format)) {
            Ok(tracks) => tracks,
            Err(error) if self.generations.is_empty() => return Err(error),
            Err(_) => return Ok(current),
        };
        if self.generations.last() == Some(&tracks) {
            return Ok(current);
        }
        if self.generations.len() > CODEC_CHANGES {
            let message = format!("the codec private data changes more than {CODEC_CHANGES} times in this session");
            return Err(ApiError::new(Exception::InvalidCodecPrivateData, message));
        }
        self.generations.push(tracks);
        Ok(self.generations.len().saturating_sub(1))
    }

    /// Returns the fragments of the playlist and the index of the first one in the session.
    pub(super) fn window(&self, most: usize) -> (u64, impl Iterator<Item = &Listed> + Clone) {
        let hidden = self.entries.len().saturating_sub(most);
        (self.first.saturating_add(hidden as u64), self.entries.range(hidden..))
    }

    /// Returns a listed fragment by its number. Live sessions forget fragments that left the playlist a while ago.
    pub(super) fn by_number(&self, number: NumberParts) -> Option<Listed> {
        self.entries.iter().rev().find(|entry| entry.number == number).copied()
    }

    /// Returns a listed fragment by its index in the session.
    pub(super) fn by_index(&self, index: u64) -> Option<Listed> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(at).copied()
    }

    pub(super) fn tracks(&self, generation: usize) -> Option<&Tracks> {
        self.generations.get(generation)
    }

    /// Returns the length of the longest fragment in ms.
    pub(super) fn longest_ms(&self) -> u64 {
        self.entries.iter().map(|entry| entry.length_ms).max().unwrap_or(1)
    }

    /// Returns the end of the last listed fragment on the axis of a DASH player.
    pub(super) fn end_ms(&self) -> u64 {
        self.entries.back().map_or(0, |last| last.offset_ms.saturating_add(last.length_ms))
    }
}
