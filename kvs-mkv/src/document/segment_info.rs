//! The header of a Segment.

use std::time::Duration;

/// The Info element (RFC 9559 §5.1.2): identity, time unit and writing program of a segment.
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
    /// `SegmentUUID`: 16 bytes, not all zero. All zero only for a parsed file that has none.
    pub uid: [u8; 16],
    /// `TimestampScale`: the duration of one timecode unit. Default: 1 ms, so that a cluster may span 32 s.
    pub timecode_scale: Duration,
    /// `Title`. Default: `Kinesis Video SDK`, as the producer SDK for C writes it.
    pub title: String,
    /// The writing program: written as `MuxingApp` and `WritingApp`, read from `WritingApp`. Default: `kvs-mkv` and its
    /// version.
    pub app: String,
}

impl SegmentInfo {
    /// Creates the header of a segment with this uid and timecodes in milliseconds.
    #[must_use]
    pub fn new(uid: [u8; 16]) -> Self {
        Self {
            uid,
            timecode_scale: Duration::from_millis(1),
            title: "Kinesis Video SDK".to_owned(),
            app: concat!("kvs-mkv ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Sets the duration of one timecode unit, in whole nanoseconds.
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

    /// Sets the name of the writing program.
    #[must_use]
    pub fn with_app(mut self, app: impl Into<String>) -> Self {
        self.app = app.into();
        self
    }
}
