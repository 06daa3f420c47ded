//! Where GetMedia begins.

use std::time::SystemTime;

use kvs_types::FragmentNumber;

use crate::limits::CONTINUATION_TOKEN;
use crate::store::{FragmentInfo, Selection, Store, StoreError, TimestampKind};

/// Where GetMedia begins (`StartSelector`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StartSelector {
    /// With the latest fragment there is.
    Now,
    /// With the oldest one.
    Earliest,
    /// With the one after this number, be that number stored or not.
    After(FragmentNumber),
    /// With the one that covers this time, or else the next one to begin.
    At(TimestampKind, SystemTime),
}

/// A selector that does not say where to begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSelector {
    /// A type the service does not know.
    #[error("StartSelectorType {given:?} is not one of the service's")]
    Type {
        /// What was given.
        given: String,
    },
    /// The type needs a member that is not there.
    #[error("StartSelectorType {kind} needs {member}")]
    Missing {
        /// The type.
        kind: &'static str,
        /// The member.
        member: &'static str,
    },
    /// A fragment number that is none.
    #[error("AfterFragmentNumber is not a fragment number")]
    FragmentNumber,
    /// A token that no fragment carried.
    #[error("ContinuationToken is not one that GetMedia gave out")]
    ContinuationToken,
}

impl StartSelector {
    /// Reads the members of a `StartSelector` as they stand in the request.
    ///
    /// # Errors
    /// The type is unknown, or what it needs is missing or malformed. Members it does not need are ignored.
    pub(crate) fn parse(
        kind: &str,
        after: Option<&str>,
        start: Option<SystemTime>,
        token: Option<&str>,
    ) -> Result<Self, InvalidSelector> {
        let needs = |kind, member| InvalidSelector::Missing { kind, member };
        match kind {
            "NOW" => Ok(Self::Now),
            "EARLIEST" => Ok(Self::Earliest),
            "FRAGMENT_NUMBER" => {
                let number = after.ok_or(needs("FRAGMENT_NUMBER", "AfterFragmentNumber"))?;
                number.parse().map(Self::After).map_err(|_| InvalidSelector::FragmentNumber)
            }
            "PRODUCER_TIMESTAMP" => {
                let start = start.ok_or(needs("PRODUCER_TIMESTAMP", "StartTimestamp"))?;
                Ok(Self::At(TimestampKind::Producer, start))
            }
            "SERVER_TIMESTAMP" => {
                let start = start.ok_or(needs("SERVER_TIMESTAMP", "StartTimestamp"))?;
                Ok(Self::At(TimestampKind::Server, start))
            }
            "CONTINUATION_TOKEN" => {
                let token = token.ok_or(needs("CONTINUATION_TOKEN", "ContinuationToken"))?;
                // A token is the number of the fragment it came with.
                let number = Some(token).filter(|token| token.len() <= CONTINUATION_TOKEN);
                let number = number.and_then(|number| number.parse().ok());
                number.map(Self::After).ok_or(InvalidSelector::ContinuationToken)
            }
            other => Err(InvalidSelector::Type { given: other.chars().take(64).collect() }),
        }
    }

    /// The first fragment it means, if there is one yet.
    pub(super) fn first(&self, store: &Store, stream: &str) -> Result<Option<FragmentInfo>, StoreError> {
        let one = |after| Ok(store.page(stream, &Selection::All, after, 1)?.into_iter().next());
        match self {
            Self::Now => store.last(stream),
            Self::Earliest => one(None),
            Self::After(number) => one(Some(number)),
            Self::At(kind, time) => store.at_or_after(stream, *kind, *time),
        }
    }
}
