//! Pages and paging tokens of ListFragments.

use std::time::SystemTime;

use kvs_types::__internal::{epoch_millis, from_epoch_millis};
use kvs_types::{FragmentNumber, TimestampOrigin};

use crate::limits::{LIST_FRAGMENTS_PAGE, LIST_FRAGMENTS_PAGE_DEFAULT, LIST_FRAGMENTS_TOKEN};
use crate::store::{FragmentRecord, Selection, Store, StoreError};

/// A ListFragments query at one of its pages.
///
/// The service promises no order: a published page has the numbers …2412, 2437, 2392, 2397, 2422. Here the fragments of a page
/// are unordered too, always in the same way. A token contains the query, so pages after the first need no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    query: Query,
    after: Option<FragmentNumber>,
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Query {
    All,
    Range { origin: TimestampOrigin, from_ms: u64, to_ms: u64 },
}

/// Which fragments a page has, and which of them are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visibility {
    /// Whether the pages are unordered too.
    pub(crate) unordered_pages: bool,
    /// The latest server timestamp of fragments that are found; `None` if all are.
    pub(crate) until: Option<SystemTime>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The fragments.
    pub(crate) fragments: Vec<FragmentRecord>,
    /// Token of the next page, if there is one.
    pub(crate) next_token: Option<String>,
}

/// An invalid query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidListing {
    /// The page size is out of range.
    #[error("MaxResults is between 1 and {LIST_FRAGMENTS_PAGE}, not {given}")]
    MaxResults {
        /// The given value.
        given: i64,
    },
    /// The range ends before it begins.
    #[error("the range of timestamps ends before it begins")]
    Range,
    /// The token belongs to another stream or query.
    #[error("NextToken is not one that this query returned")]
    Token,
}

impl Listing {
    /// Parses the members of the request: selector type with range, page size, token.
    ///
    /// # Errors
    /// The page size or the range is invalid, or the token belongs to another stream or query.
    pub(crate) fn parse(
        stream: &str,
        selector: Option<(TimestampOrigin, SystemTime, SystemTime)>,
        max_results: Option<i64>,
        token: Option<&str>,
    ) -> Result<Self, InvalidListing> {
        let most = match max_results {
            None => LIST_FRAGMENTS_PAGE_DEFAULT,
            Some(given) => usize::try_from(given)
                .ok()
                .filter(|most| (1..=LIST_FRAGMENTS_PAGE).contains(most))
                .ok_or(InvalidListing::MaxResults { given })?,
        };
        let asked = selector.map(|(origin, from, to)| Query::Range {
            origin,
            from_ms: epoch_millis(from),
            to_ms: epoch_millis(to),
        });
        if let Some(Query::Range { from_ms, to_ms, .. }) = asked
            && from_ms > to_ms
        {
            return Err(InvalidListing::Range);
        }
        let Some(token) = token else { return Ok(Self { query: asked.unwrap_or(Query::All), after: None, most }) };
        let (query, after) = read_token(stream, token).ok_or(InvalidListing::Token)?;
        if asked.is_some_and(|asked| asked != query) {
            return Err(InvalidListing::Token);
        }
        Ok(Self { query, after: Some(after), most })
    }

    /// Returns the maximum number of entries on a page.
    pub(crate) const fn size(&self) -> usize {
        self.most
    }

    /// Reads the page.
    ///
    /// # Errors
    /// The file system failed.
    pub(crate) fn page(&self, store: &Store, stream: &str, visibility: Visibility) -> Result<Page, StoreError> {
        let selection = self.query.selection();
        // One more than requested shows whether there is another page.
        let wanted = self.most.saturating_add(1);
        let found = |fragment: &FragmentRecord| visibility.until.is_none_or(|until| fragment.server_timestamp <= until);
        let mut fragments = if visibility.unordered_pages {
            let mut all = store.list(stream, &selection)?;
            all.retain(|fragment| {
                found(fragment)
                    && self.after.as_ref().is_none_or(|after| scattered(after) < scattered(&fragment.number))
            });
            all.sort_by_cached_key(|fragment| scattered(&fragment.number));
            all.truncate(wanted);
            all
        } else {
            let mut page = store.page(stream, &selection, self.after.as_ref(), wanted)?;
            page.retain(found);
            page
        };
        let more = fragments.len() > self.most;
        fragments.truncate(self.most);
        let last = fragments.last().filter(|_| more);
        let next_token = last.map(|last| write_token(stream, self.query, &last.number));
        fragments.sort_by_cached_key(|fragment| scattered(&fragment.number));
        if fragments.is_sorted_by(|one, next| one.number < next.number) {
            fragments.reverse();
        }
        Ok(Page { fragments, next_token })
    }
}

impl Query {
    fn selection(self) -> Selection {
        match self {
            Self::All => Selection::All,
            Self::Range { origin, from_ms, to_ms } => {
                let (from, to) = (from_epoch_millis(from_ms), from_epoch_millis(to_ms));
                Selection::StartsWithin { origin, from, to }
            }
        }
    }
}

/// Returns a key in whose order fragments are in no order.
fn scattered(number: &FragmentNumber) -> (u32, FragmentNumber) {
    (crc32fast::hash(number.as_str().as_bytes()), number.clone())
}

/// Encodes checksum, query and last number in Base64, the alphabet that the API model requires for tokens.
fn write_token(stream: &str, query: Query, last: &FragmentNumber) -> String {
    let query = match query {
        Query::All => "A".to_owned(),
        Query::Range { origin: TimestampOrigin::Producer, from_ms, to_ms } => format!("P.{from_ms}.{to_ms}"),
        Query::Range { origin: TimestampOrigin::Server, from_ms, to_ms } => format!("S.{from_ms}.{to_ms}"),
    };
    let rest = format!("{query}.{last}");
    base64_simd::STANDARD.encode_to_string(format!("{:08x}.{rest}", checksum(stream, &rest)))
}

fn read_token(stream: &str, token: &str) -> Option<(Query, FragmentNumber)> {
    if token.len() > LIST_FRAGMENTS_TOKEN {
        return None;
    }
    let text = String::from_utf8(base64_simd::STANDARD.decode_to_vec(token).ok()?).ok()?;
    let (sum, rest) = text.split_once('.')?;
    if u32::from_str_radix(sum, 16).ok()? != checksum(stream, rest) {
        return None;
    }
    let (query, last) = rest.rsplit_once('.')?;
    let range = |origin, text: &str| {
        let (from, to) = text.split_once('.')?;
        Some(Query::Range { origin, from_ms: from.parse().ok()?, to_ms: to.parse().ok()? })
    };
    let query = match query.split_once('.') {
        None if query == "A" => Query::All,
        Some(("P", text)) => range(TimestampOrigin::Producer, text)?,
        Some(("S", text)) => range(TimestampOrigin::Server, text)?,
        _ => return None,
    };
    Some((query, last.parse().ok()?))
}

/// Detects tokens of other streams and typing errors. It is not secret: a token grants nothing that the call does not.
fn checksum(stream: &str, rest: &str) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(stream.as_bytes());
    sum.update(&[0]);
    sum.update(rest.as_bytes());
    sum.finalize()
}
