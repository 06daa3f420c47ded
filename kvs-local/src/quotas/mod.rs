//! The rate quotas of the service.

mod quota;

pub(crate) use quota::{Flow, Quota};

/// Whether the rate quotas of the service are enforced.
///
/// Limits on sizes, durations and connections are always enforced; this setting is about rates per second.
/// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quotas {
    /// Not enforced: tests and local work run at full speed.
    #[default]
    Off,
    /// Enforced. Calls above the rates of an account or a stream get `ClientLimitExceededException`: 5 calls per second for
    /// most operations on a stream, 10,000 points of fragment metadata per second, 500 points of fragment media per second.
    /// PutMedia reads at most 12.5 MB/s. GetMedia and GetMediaForFragmentList send at most 25 MB/s, GetMedia at most 5
    /// fragments per second.
    Service,
}
