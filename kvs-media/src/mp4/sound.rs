//! Sound of which a sample is one value of each channel: G.711, which is divided into frames of 20 ms, and PCM, which is named
//! and not read.

use kvs_mkv::codec::g711::{self, Law};
use kvs_mkv::{Track, TrackNumber};

use super::boxes::Box;
use crate::error::Fault;

/// Frames per second. G.711 is usually sent in 20 ms.
const FRAMES_PER_SECOND: u32 = 50;

/// The law of a sample description with this name.
pub(super) const fn law(kind: [u8; 4]) -> Option<Law> {
    match &kind {
        b"alaw" | b"ms\0\x06" => Some(Law::A),
        b"ulaw" | b"ms\0\x07" => Some(Law::Mu),
        _ => None,
    }
}

/// Whether a sample description with this name is of PCM.
pub(super) fn is_pcm(kind: [u8; 4]) -> bool {
    PCM.contains(&&kind)
}

/// Names of PCM in QuickTime and in ISO/IEC 23003-5.
const PCM: [&[u8; 4]; 13] = [
    b"sowt",
    b"twos",
    b"lpcm",
    b"in24",
    b"in32",
    b"fl32",
    b"fl64",
    b"raw ",
    b"NONE",
    b"ipcm",
    b"fpcm",
    b"ms\0\x01",
    b"ms\0\x02",
];

/// What a description of G.711 states.
#[derive(Clone, Copy, Debug)]
pub(super) struct G711 {
    law: Law,
    /// Also the bytes of a sample.
    pub(super) channels: u16,
    rate: u32,
}

impl G711 {
    /// Reads an AudioSampleEntry (§12.2.3), or that of QuickTime in version 2; `None` if it is of another codec.
    pub(super) fn read(entry: &Box<'_>) -> Result<Option<Self>, Fault> {
        let Some(law) = law(entry.kind) else { return Ok(None) };
        let mut fields = entry.fields();
        fields.skip(8)?;
        let version = fields.u16()?;
        fields.skip(6)?;
        let mut channels = fields.u16()?;
        fields.skip(6)?;
        let mut rate = fields.u32()? >> 16;
        if version == 2 {
            fields.skip(4)?;
            // A rate is a whole number of Hz.
            rate = f64::from_bits(fields.u64()?).clamp(0.0, f64::from(u32::MAX)) as u32;
            channels = u16::try_from(fields.u32()?).unwrap_or(u16::MAX);
        }
        if channels == 0 || rate == 0 {
            return Err(Fault::Damaged(format!("its G.711 track has {channels} channels and {rate} Hz")));
        }
        Ok(Some(Self { law, channels, rate }))
    }

    /// Samples of a frame.
    pub(super) fn frame_samples(self) -> u32 {
        (self.rate / FRAMES_PER_SECOND).max(1)
    }

    pub(super) fn track(self) -> Track {
        g711::track(TrackNumber::TWO, self.law, self.rate, self.channels)
    }
}
