//! What a Segment says about itself.

use std::time::Duration;

/// The Info element (RFC 9559 §5.1.2): identity, time unit and the programs that wrote it.
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::SegmentInfo;
///
/// let info = SegmentInfo::new([7; 16]).with_title("yard");
/// assert_eq!(info.timecode_scale, Duration::from_millis(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// `SegmentUUID`: 16 bytes, not all zero; all zero only where a file that was read has none.
    pub uid: [u8; 16],
    /// `TimestampScale`: how long one unit of a timecode lasts. Default 1 ms, so that a cluster may span 32 s.
    pub timecode_scale: Duration,
    /// `Title`. Default `Kinesis Video SDK`, as the service's own SDKs write it.
    pub title: String,
    /// The program: written as `MuxingApp` and `WritingApp`, read from `WritingApp`. Default `kvs-mkv` and its version.
    pub app: String,
}

impl SegmentInfo {
    /// A Segment with this uid, in units of a millisecond.
    #[must_use]
    pub fn new(uid: [u8; 16]) -> Self {
        Self {
            uid,
            timecode_scale: Duration::from_millis(1),
            title: "Kinesis Video SDK".to_owned(),
            app: concat!("kvs-mkv ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Sets how long one unit of a timecode lasts, in whole nanoseconds.
    #[must_use]
    pub const fn with_timecode_scale(mut self, timecode_scale: Duration) -> Self {
        self.timecode_scale = timecode_scale;
        self
    }

    /// Sets the title.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the name of the program that writes.
    #[must_use]
    pub fn with_app(mut self, app: impl Into<String>) -> Self {
        self.app = app.into();
        self
    }
}
