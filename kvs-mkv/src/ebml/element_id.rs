//! The ids of EBML elements.

use std::fmt;

/// The id of an EBML element, including its length marker, as written in the file.
///
/// ```
/// use kvs_mkv::ElementId;
///
/// assert_eq!(ElementId::CLUSTER.to_string(), "Cluster");
/// assert_eq!(ElementId(0x4DBB).to_string(), "element 4DBB");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an id is a number")]
pub struct ElementId(pub u32);

/// Defines the constants and their names in one table (RFC 8794 §11.2, RFC 9559 §5.1).
macro_rules! element_ids {
    ($($name:ident $id:literal $text:literal)*) => {
        impl ElementId {
            $(#[doc = concat!("`", $text, "`.")] pub const $name: Self = Self($id);)*

            /// Returns the name in the specification; `None` for elements that this crate does not know.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($id => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

element_ids! {
    EBML 0x1A45_DFA3 "EBML"
    EBML_READ_VERSION 0x42F7 "EBMLReadVersion"
    EBML_MAX_ID_LENGTH 0x42F2 "EBMLMaxIDLength"
    EBML_MAX_SIZE_LENGTH 0x42F3 "EBMLMaxSizeLength"
    DOC_TYPE 0x4282 "DocType"
    VOID 0xEC "Void"
    CRC_32 0xBF "CRC-32"
    SEGMENT 0x1853_8067 "Segment"
    SEEK_HEAD 0x114D_9B74 "SeekHead"
    INFO 0x1549_A966 "Info"
    SEGMENT_UID 0x73A4 "SegmentUUID"
    TIMESTAMP_SCALE 0x2A_D7B1 "TimestampScale"
    TITLE 0x7BA9 "Title"
    MUXING_APP 0x4D80 "MuxingApp"
    WRITING_APP 0x5741 "WritingApp"
    TRACKS 0x1654_AE6B "Tracks"
    TRACK_ENTRY 0xAE "TrackEntry"
    TRACK_NUMBER 0xD7 "TrackNumber"
    TRACK_UID 0x73C5 "TrackUID"
    TRACK_TYPE 0x83 "TrackType"
    TRACK_NAME 0x536E "Name"
    CODEC_ID 0x86 "CodecID"
    CODEC_PRIVATE 0x63A2 "CodecPrivate"
    DEFAULT_DURATION 0x23_E383 "DefaultDuration"
    CONTENT_ENCODINGS 0x6D80 "ContentEncodings"
    VIDEO 0xE0 "Video"
    PIXEL_WIDTH 0xB0 "PixelWidth"
    PIXEL_HEIGHT 0xBA "PixelHeight"
    PIXEL_CROP_BOTTOM 0x54AA "PixelCropBottom"
    PIXEL_CROP_TOP 0x54BB "PixelCropTop"
    PIXEL_CROP_LEFT 0x54CC "PixelCropLeft"
    PIXEL_CROP_RIGHT 0x54DD "PixelCropRight"
    DISPLAY_WIDTH 0x54B0 "DisplayWidth"
    DISPLAY_HEIGHT 0x54BA "DisplayHeight"
    DISPLAY_UNIT 0x54B2 "DisplayUnit"
    PROJECTION 0x7670 "Projection"
    PROJECTION_TYPE 0x7671 "ProjectionType"
    PROJECTION_POSE_YAW 0x7673 "ProjectionPoseYaw"
    PROJECTION_POSE_PITCH 0x7674 "ProjectionPosePitch"
    PROJECTION_POSE_ROLL 0x7675 "ProjectionPoseRoll"
    AUDIO 0xE1 "Audio"
    SAMPLING_FREQUENCY 0xB5 "SamplingFrequency"
    CHANNELS 0x9F "Channels"
    BIT_DEPTH 0x6264 "BitDepth"
    CLUSTER 0x1F43_B675 "Cluster"
    TIMESTAMP 0xE7 "Timestamp"
    SIMPLE_BLOCK 0xA3 "SimpleBlock"
    BLOCK_GROUP 0xA0 "BlockGroup"
    BLOCK 0xA1 "Block"
    BLOCK_DURATION 0x9B "BlockDuration"
    REFERENCE_BLOCK 0xFB "ReferenceBlock"
    CUES 0x1C53_BB6B "Cues"
    ATTACHMENTS 0x1941_A469 "Attachments"
    CHAPTERS 0x1043_A770 "Chapters"
    TAGS 0x1254_C367 "Tags"
    TAG 0x7373 "Tag"
    SIMPLE_TAG 0x67C8 "SimpleTag"
    TAG_NAME 0x45A3 "TagName"
    TAG_STRING 0x4487 "TagString"
}

impl ElementId {
    /// Returns whether it is a direct child of a Segment and so ends a cluster of unknown size (RFC 9559 §5.1, RFC 8794 §6.2).
    pub(crate) const fn is_level_1(self) -> bool {
        matches!(
            self,
            Self::SEEK_HEAD
                | Self::INFO
                | Self::TRACKS
                | Self::CLUSTER
                | Self::CUES
                | Self::ATTACHMENTS
                | Self::CHAPTERS
                | Self::TAGS
        )
    }

    /// Returns whether it is at the outermost level.
    pub(crate) const fn is_level_0(self) -> bool {
        matches!(self, Self::EBML | Self::SEGMENT)
    }
}

impl fmt::Display for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "element {:X}", self.0),
        }
    }
}

impl fmt::Debug for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ElementId({self})")
    }
}
