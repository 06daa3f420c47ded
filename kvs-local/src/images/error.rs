//! Errors of image extraction.

/// Why there is no image for an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// No fragment covers the instant.
    #[error("no media at this timestamp")]
    NoMedia,
    /// A fragment covers the instant, but no image can be made of it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl ExtractError {
    /// Returns the `Error` value of GetImages: `NO_MEDIA` or `MEDIA_ERROR`.
    /// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_reader_Image.html>
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMedia => "NO_MEDIA",
            Self::Decode(_) => "MEDIA_ERROR",
        }
    }
}

/// Why stored media gives no image. GetImages reports `MEDIA_ERROR`; the reason goes to the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is no track 1, or track 1 is not video.
    #[error("track 1 is not a video track")]
    NoVideoTrack,
    /// The codec is neither H.264 nor H.265.
    #[error("unsupported codec {codec}: only V_MPEG4/ISO/AVC (H.264) and V_MPEGH/ISO/HEVC (H.265) can be decoded")]
    Codec {
        /// The Matroska codec ID.
        codec: String,
    },
    /// The codec private data is neither an `avcC` or `hvcC` record nor Annex B parameter sets.
    #[error("codec private data has no readable parameter sets")]
    CodecPrivate,
    /// A sequence or picture parameter set, or a slice header that refers to one, cannot be parsed.
    #[error("parameter set damaged or missing")]
    ParameterSet,
    /// The samples have more than 8 bits, and ffmpeg is not used.
    #[error("bit depth {bits}: the built-in decoder takes 8 bits per sample; others need the program ffmpeg")]
    BitDepth {
        /// Bits per sample.
        bits: u32,
    },
    /// The chroma format is not 4:2:0, and ffmpeg is not used.
    #[error("chroma_format_idc {id}: the built-in decoder takes 1 (4:2:0); others need the program ffmpeg")]
    ChromaFormat {
        /// `chroma_format_idc`: 0 is monochrome, 2 is 4:2:2, 3 is 4:4:4.
        id: u32,
    },
    /// Field coding or macroblock-adaptive frame/field coding, and ffmpeg is not used.
    #[error("interlaced video: it needs the program ffmpeg")]
    Interlaced,
    /// The picture is larger than the limit.
    #[error("picture too large: {macroblocks} macroblocks, limit {limit}")]
    TooLarge {
        /// Macroblocks of the picture.
        macroblocks: u32,
        /// Allowed macroblocks: [`limits::PICTURE_MACROBLOCKS`](super::limits::PICTURE_MACROBLOCKS).
        limit: u32,
    },
    /// The stream requires a larger decoded picture buffer than the limit.
    #[error("reference pictures too large: {macroblocks} macroblocks, limit {limit}")]
    TooManyReferences {
        /// Macroblocks of all reference pictures.
        macroblocks: u32,
        /// Allowed macroblocks: [`limits::REFERENCE_MACROBLOCKS`](super::limits::REFERENCE_MACROBLOCKS).
        limit: u32,
    },
    /// The fragment has more frames than the limit.
    #[error("fragment has more than {limit} frames")]
    TooManyFrames {
        /// Allowed frames: [`limits::FRAGMENT_FRAMES`](super::limits::FRAGMENT_FRAMES).
        limit: usize,
    },
    /// The fragment contains no coded picture.
    #[error("fragment contains no coded picture")]
    NoPicture,
    /// Neither the fragment nor the contiguous fragments before it contain a key frame to start from.
    #[error("no key frame to start decoding from, in the fragment or in the contiguous fragments before it")]
    NoKeyFrame,
    /// The bytes of the frame are not a sequence of whole NAL units, or the decoder returned no whole picture for it.
    #[error("frame at {pts_millis} ms is damaged")]
    Damaged {
        /// Presentation time of the frame in the timecodes of its fragment, in ms.
        pts_millis: u128,
    },
    /// A reference frame was lost before this frame.
    #[error("reference frame missing before the frame at {pts_millis} ms")]
    MissingReference {
        /// Presentation time of the first frame after the loss in the timecodes of its fragment, in ms.
        pts_millis: u128,
    },
    /// The decoder rejected a frame that the picture needs.
    #[error("failed to decode frame at {pts_millis} ms: {reason}")]
    Decoder {
        /// Presentation time of the frame in the timecodes of its fragment, in ms.
        pts_millis: u128,
        /// The message of the decoder.
        reason: String,
    },
    /// The picture was decoded, but could not be scaled or encoded.
    #[error("failed to encode image: {reason}")]
    Encoder {
        /// The message of the encoder.
        reason: String,
    },
    /// The stored fragment could not be read.
    #[error("failed to read stored fragment: {reason}")]
    Storage {
        /// The message of the store.
        reason: String,
    },
    /// The request was canceled before this image was made.
    #[error("request canceled")]
    Canceled,
}
