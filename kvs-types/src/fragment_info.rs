//! What ListFragments returns for one fragment.

use std::time::{Duration, SystemTime};

use crate::fragment_number::FragmentNumber;
use crate::timestamp_origin::TimestampOrigin;

/// A stored fragment as ListFragments returns it. A member that the service left out or sent as null is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "PascalCase"))]
#[non_exhaustive]
pub struct FragmentInfo {
    /// The number of the fragment.
    pub fragment_number: Option<FragmentNumber>,
    /// The size in bytes.
    #[cfg_attr(feature = "serde", serde(rename = "FragmentSizeInBytes"))]
    pub size_in_bytes: Option<u64>,
    /// When the fragment starts by the producer's clock.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::epoch_seconds::option"))]
    pub producer_timestamp: Option<SystemTime>,
    /// When the fragment started to arrive by the service's clock.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::epoch_seconds::option"))]
    pub server_timestamp: Option<SystemTime>,
    /// The duration in milliseconds.
    #[cfg_attr(feature = "serde", serde(rename = "FragmentLengthInMilliseconds"))]
    pub length_in_milliseconds: Option<u64>,
}

impl FragmentInfo {
    /// Returns when the fragment starts by the clock of `origin`.
    #[must_use]
    pub const fn start(&self, origin: TimestampOrigin) -> Option<SystemTime> {
        match origin {
            TimestampOrigin::Server => self.server_timestamp,
            TimestampOrigin::Producer => self.producer_timestamp,
        }
    }

    /// Returns the duration, zero if the service did not send it.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.length_in_milliseconds.unwrap_or_default())
    }
}
