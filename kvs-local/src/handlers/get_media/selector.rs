//! The start selector of GetMedia.

use std::time::SystemTime;

use kvs_types::FragmentNumber;

use crate::limits::CONTINUATION_TOKEN;
use crate::store::{FragmentInfo, Selection, Store, StoreError, TimestampKind};

/// Where GetMedia starts (`StartSelector`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StartSelector {
    /// At the latest fragment.
    Now,
    /// At the oldest fragment.
    Earliest,
    /// After this fragment number, whether it is stored or not.
    After(FragmentNumber),
    /// At the fragment that covers this time, or else at the next one.
    At(TimestampKind, SystemTime),
}

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

impl StartSelector {
    /// Parses the members of `StartSelector`. Members that the type does not require are ignored.
    pub(crate) fn parse(
        kind: &str,
        after: Option<&str>,
        start: Option<SystemTime>,
        token: Option<&str>,
    ) -> Result<Self, InvalidSelector> {
        let missing = |kind, member| InvalidSelector::Missing { kind, member };
        match kind {
            "NOW" => Ok(Self::Now),
            "EARLIEST" => Ok(Self::Earliest),
            "FRAGMENT_NUMBER" => {
                let number = after.ok_or(missing("FRAGMENT_NUMBER", "AfterFragmentNumber"))?;
                number.parse().map(Self::After).map_err(|_| InvalidSelector::FragmentNumber)
            }
            "PRODUCER_TIMESTAMP" => {
                let start = start.ok_or(missing("PRODUCER_TIMESTAMP", "StartTimestamp"))?;
                Ok(Self::At(TimestampKind::Producer, start))
            }
            "SERVER_TIMESTAMP" => {
                let start = start.ok_or(missing("SERVER_TIMESTAMP", "StartTimestamp"))?;
                Ok(Self::At(TimestampKind::Server, start))
            }
            "CONTINUATION_TOKEN" => {
                let token = token.ok_or(missing("CONTINUATION_TOKEN", "ContinuationToken"))?;
                // A token is the number of the fragment that it was sent with.
                let number = Some(token).filter(|token| token.len() <= CONTINUATION_TOKEN);
                let number = number.and_then(|number| number.parse().ok());
                number.map(Self::After).ok_or(InvalidSelector::ContinuationToken)
            }
            other => Err(InvalidSelector::Type { given: other.chars().take(64).collect() }),
        }
    }

    /// Returns the first fragment, if it is stored already.
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
