//! Bounds of the calls that give media back.

use std::time::Duration;

/// A GetMedia body ends when no fragment became available for this long: about 3 s by the API reference of GetMedia.
pub const LIVE_EDGE_WAIT: Duration = Duration::from_secs(3);
/// Fragments of one GetMediaForFragmentList call, by its API reference.
pub const LISTED_FRAGMENTS: usize = 1000;
/// Most fragments of one page of ListFragments, by its API reference.
pub const PAGE_MOST: usize = 1000;
/// Fragments of a page of ListFragments that names no number. The service states none; 100 has been quoted.
pub const PAGE_DEFAULT: usize = 100;
/// Characters of a paging token, by the API reference of ListFragments.
pub const TOKEN_CHARS: usize = 4096;
/// Characters of a continuation token, by the API reference of GetMedia.
pub const CONTINUATION_TOKEN_CHARS: usize = 128;
