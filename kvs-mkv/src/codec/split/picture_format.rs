//! The format of the pictures of a session.

/// The parts of a sequence parameter set that a decoder cannot change in the middle of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) struct PictureFormat {
    pub(in crate::codec) sps_id: u8,
    /// Width and height, shown and coded.
    pub(in crate::codec) size: (u32, u32, u32, u32),
    pub(in crate::codec) profile: u8,
    /// `chroma_format_idc` and the bits of luma and chroma samples.
    pub(in crate::codec) samples: (u8, u8, u8),
}

impl PictureFormat {
    /// Returns whether a session for `other` suits this format: the number of the set does not matter.
    pub(in crate::codec) fn suits(self, other: Self) -> bool {
        Self { sps_id: other.sps_id, ..self } == other
    }
}
