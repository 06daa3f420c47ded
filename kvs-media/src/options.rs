//! How a recording is to be read.

/// Which container to expect, which tracks to return, and what to do with an interrupted recording.
///
/// ```
/// use kvs_media::{ReaderOptions, TrackChoice};
///
/// let options = ReaderOptions::new().audio(TrackChoice::Number(2)).strict(true);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReaderOptions {
    pub(crate) format: Option<Format>,
    pub(crate) video: TrackChoice,
    pub(crate) audio: TrackChoice,
    pub(crate) strict: bool,
}

/// A container or byte stream that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// MP4 and QuickTime, also fragmented.
    Mp4,
    /// Matroska and WebM, also live.
    Matroska,
    /// MPEG transport stream, with packets of 188, 192 or 204 bytes.
    MpegTs,
    /// H.264 with start codes.
    H264,
    /// H.265 with start codes.
    H265,
    /// AAC with ADTS headers.
    Adts,
    /// RIFF/WAVE with PCM or G.711.
    Wav,
}

/// Which of the tracks of one kind to return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrackChoice {
    /// The first enabled track that has frames.
    #[default]
    First,
    /// The track with this number among those of its kind; the first is 1.
    Number(u32),
    /// All that have frames. The service accepts three tracks per stream.
    All,
    /// None.
    None,
}

impl ReaderOptions {
    /// Detects the container, returns the first video and the first audio track, and accepts interrupted recordings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the container. Default: detected from the first bytes.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets which video tracks are returned. Default: [`TrackChoice::First`].
    #[must_use]
    pub const fn video(mut self, choice: TrackChoice) -> Self {
        self.video = choice;
        self
    }

    /// Sets which audio tracks are returned. Default: [`TrackChoice::First`].
    #[must_use]
    pub const fn audio(mut self, choice: TrackChoice) -> Self {
        self.audio = choice;
        self
    }

    /// Sets whether an interrupted recording is an error. Default: no; what is there is returned, and a
    /// [`Notice`](crate::Notice) states what is missing.
    #[must_use]
    pub const fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}
