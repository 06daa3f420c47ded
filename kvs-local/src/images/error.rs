//! Why a picture cannot be had from media that is there.

/// Why there is media at an instant and yet no picture: what a `MEDIA_ERROR` stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// No track 1, or track 1 is not video.
    #[error("track 1 is not a video track")]
    NoVideoTrack,
    /// The codec is neither H.264 nor H.265.
    #[error("codec {codec} cannot be decoded here, only V_MPEG4/ISO/AVC (H.264) and V_MPEGH/ISO/HEVC (H.265) can")]
    Codec {
        /// The Matroska codec id.
        codec: String,
    },
    /// The codec private data is neither a record (avcC, hvcC) nor Annex B parameter sets.
    #[error("the codec private data holds no readable parameter sets")]
    CodecPrivate,
    /// A sequence or picture parameter set cannot be read.
    #[error("a parameter set is damaged or missing")]
    ParameterSet,
    /// More than 8 bits a sample.
    #[error("{bits} bits a sample cannot be decoded, only 8 can")]
    BitDepth {
        /// Bits of a sample.
        bits: u32,
    },
    /// Not 4:2:0.
    #[error("chroma format {id} cannot be decoded, only 1 (4:2:0) can")]
    ChromaFormat {
        /// `chroma_format_idc`: 0 is grey, 2 is 4:2:2, 3 is 4:4:4.
        id: u32,
    },
    /// Fields or macroblock-adaptive interlacing.
    #[error("interlaced pictures cannot be decoded")]
    Interlaced,
    /// The picture is larger than the limit.
    #[error("a picture of {macroblocks} macroblocks is larger than the limit of {limit}")]
    TooLarge {
        /// Macroblocks of the picture.
        macroblocks: u32,
        /// Macroblocks allowed: [`limits::PICTURE_MACROBLOCKS`](super::limits::PICTURE_MACROBLOCKS).
        limit: u32,
    },
    /// The stream asks the decoder to keep more than the limit.
    #[error("references of {macroblocks} macroblocks are more than the limit of {limit}")]
    TooManyReferences {
        /// Macroblocks of all references.
        macroblocks: u32,
        /// Macroblocks allowed: [`limits::REFERENCE_MACROBLOCKS`](super::limits::REFERENCE_MACROBLOCKS).
        limit: u32,
    },
    /// More frames than a fragment may have.
    #[error("a fragment of more than {limit} frames is not decoded")]
    TooManyFrames {
        /// Frames allowed: [`limits::FRAGMENT_FRAMES`](super::limits::FRAGMENT_FRAMES).
        limit: usize,
    },
    /// The fragment holds no picture at all.
    #[error("the fragment holds no picture")]
    NoPicture,
    /// Neither the fragment nor the contiguous ones before it have a key frame to start from.
    #[error("no key frame to start decoding from, neither in the fragment nor in the contiguous ones before it")]
    NoKeyFrame,
    /// The frame's bytes are not whole NAL units, or the picture is not whole.
    #[error("the frame at {pts_millis} ms is damaged")]
    Damaged {
        /// The frame's time in the fragment's own timecodes.
        pts_millis: u128,
    },
    /// A frame that others refer to was lost before this one.
    #[error("a frame before that at {pts_millis} ms is missing")]
    MissingReference {
        /// The time of the first frame after the loss, in the fragment's own timecodes.
        pts_millis: u128,
    },
    /// The decoder refused a frame that this picture needs.
    #[error("the frame at {pts_millis} ms cannot be decoded: {reason}")]
    Decoder {
        /// The frame's time in the fragment's own timecodes.
        pts_millis: u128,
        /// What the decoder said.
        reason: String,
    },
    /// The picture was decoded but could not be scaled or encoded.
    #[error("the picture cannot be written: {reason}")]
    Encoder {
        /// What the encoder said.
        reason: String,
    },
    /// The stored fragment could not be read.
    #[error("the stored fragment cannot be read: {reason}")]
    Storage {
        /// What the store said.
        reason: String,
    },
    /// The request was given up before this picture's turn.
    #[error("the request was given up")]
    GivenUp,
}
