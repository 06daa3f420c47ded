//! How often the service lets itself be called: its rates, if they are to hold here.

mod quota;
mod token_bucket;

pub(crate) use quota::{Flow, Ledger};
pub(crate) use token_bucket::Meter;

/// Whether the service's rates hold.
///
/// Limits of a size, a duration or a number of connections hold always; this is about how much may happen in a second.
/// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quotas {
    /// Everything goes as fast as the machine does it: tests and local work are not slowed down.
    #[default]
    Off,
    /// Calls above the rates of an account or a stream get `ClientLimitExceededException`: 5 calls a second of most
    /// operations on a stream, 10,000 points of fragment metadata and 500 of fragment media. PutMedia is read at 12.5 MB/s,
    /// GetMedia and GetMediaForFragmentList are sent at 25 MB/s, GetMedia at 5 fragments a second.
    Service,
}
