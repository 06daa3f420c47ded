//! The start selector of GetMedia.

use std::time::SystemTime;

use kvs_types::{StartSelector, TimestampOrigin};

use crate::limits::CONTINUATION_TOKEN;
use crate::store::{FragmentRecord, Selection, Store, StoreError};

/// An invalid start selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSelector {
    /// The service has no such type.
    #[error("StartSelectorType {given:?} is not one of the service's")]
    Type {
        /// The given value.
        given: String,
    },
    /// A member that the type requires is missing.
    #[error("StartSelectorType {kind} needs {member}")]
    Missing {
        /// The type.
        kind: &'static str,
        /// The member.
        member: &'static str,
    },
    /// An invalid fragment number.
    #[error("AfterFragmentNumber is not a fragment number")]
    FragmentNumber,
    /// A token that GetMedia did not return.
    #[error("ContinuationToken is not one that GetMedia returned")]
    ContinuationToken,
}

/// Reads the members of `StartSelector`. Members that the type does not require are ignored.
///
/// A continuation token is the number of the fragment that it was sent with, so it becomes
/// [`StartSelector::AfterFragment`].
pub(crate) fn parse(
    kind: &str,
    after: Option<&str>,
    start: Option<SystemTime>,
    token: Option<&str>,
) -> Result<StartSelector, InvalidSelector> {
    let missing = |kind, member| InvalidSelector::Missing { kind, member };
    match kind {
        "NOW" => Ok(StartSelector::Now),
        "EARLIEST" => Ok(StartSelector::Earliest),
        "FRAGMENT_NUMBER" => {
            let number = after.ok_or(missing("FRAGMENT_NUMBER", "AfterFragmentNumber"))?;
            number.parse().map(StartSelector::AfterFragment).map_err(|_| InvalidSelector::FragmentNumber)
        }
        "PRODUCER_TIMESTAMP" => {
            start.map(StartSelector::ProducerTimestamp).ok_or(missing("PRODUCER_TIMESTAMP", "StartTimestamp"))
        }
        "SERVER_TIMESTAMP" => {
            start.map(StartSelector::ServerTimestamp).ok_or(missing("SERVER_TIMESTAMP", "StartTimestamp"))
        }
        "CONTINUATION_TOKEN" => {
            let token = token.ok_or(missing("CONTINUATION_TOKEN", "ContinuationToken"))?;
            let number = Some(token).filter(|token| token.len() <= CONTINUATION_TOKEN);
            let number = number.and_then(|number| number.parse().ok());
            number.map(StartSelector::AfterFragment).ok_or(InvalidSelector::ContinuationToken)
        }
        other => Err(InvalidSelector::Type { given: other.chars().take(64).collect() }),
    }
}

/// Returns the first fragment at a start selector, if it is stored already.
pub(super) fn first(start: &StartSelector, store: &Store, stream: &str) -> Result<Option<FragmentRecord>, StoreError> {
    let one = |after| Ok(store.page(stream, &Selection::All, after, 1)?.into_iter().next());
    match start {
        StartSelector::Now => store.last(stream),
        StartSelector::ServerTimestamp(time) => store.at_or_after(stream, TimestampOrigin::Server, *time),
        StartSelector::ProducerTimestamp(time) => store.at_or_after(stream, TimestampOrigin::Producer, *time),
        // `parse` returns no other variant, and the reader continues after a fragment number by itself.
        _ => one(None),
    }
}
