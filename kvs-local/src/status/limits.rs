//! Limits of the status page: our choice. They bound the size of one report to a few hundred kilobytes.

/// Streams that are listed; a filter narrows them.
pub(super) const STREAMS: usize = 500;
/// Error acks, and results of delivery, that are remembered.
pub(super) const RECENT_EVENTS: usize = 100;
/// Newest fragments of a stream that are listed.
pub(super) const FRAGMENTS: usize = 20;
/// Newest fragments of a stream whose coverage is shown: three hours of fragments of 2 s.
pub(super) const COVERED_FRAGMENTS: usize = 5_000;
/// Runs of a coverage bar; the newest ones are kept.
pub(super) const RUNS: usize = 500;
/// Fragments whose media was looked at and whose description is kept.
pub(super) const DESCRIBED_FRAGMENTS: usize = 1_000;
/// Bytes of media that are read for one report. Fragments beyond it are described in the next ones.
pub(super) const READ_BYTES: u64 = 64 << 20;
/// Tags of a fragment that are shown.
pub(super) const SHOWN_TAGS: usize = 20;
/// Characters of a text that are shown.
pub(super) const SHOWN_CHARS: usize = 300;
/// Largest distance between the end of a fragment and the start of the next for no gap to be shown, in ms: one frame at 1 fps, and
/// rounding, as in image extraction.
pub(super) const CONTIGUOUS_WITHIN_MS: u64 = 1_001;
