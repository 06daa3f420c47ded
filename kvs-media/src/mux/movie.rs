//! The `moov` box: of an initialization segment, and what whole files share with it.

use bytes::Bytes;
use kvs_mkv::codec::g711::Law;

use super::boxes::BoxWriter;
use super::codec::{Codec, TrackSetup, VideoCodec};

/// Returns the initialization segment of a track: `ftyp` and a `moov` without samples.
#[must_use]
pub fn init_segment(setup: &TrackSetup) -> Bytes {
    let mut out = BoxWriter::default();
    file_type(&mut out, b"iso5", &[b"iso5", b"iso6", b"mp41"]);
    out.boxed(b"moov", |out| {
        movie_header(out, 0, track_id(setup));
        track(out, setup, Times::default(), |out| {
            for kind in [b"stts", b"stsc", b"stco"] {
                out.full(kind, 0, 0, |out| out.u32(0));
            }
            out.full(b"stsz", 0, 0, |out| out.zeros(8));
        });
        out.boxed(b"mvex", |out| {
            out.full(b"trex", 0, 0, |out| {
                out.u32(track_id(setup));
                out.u32(1);
                out.zeros(12);
            });
        });
    });
    out.into_bytes().into()
}

/// The lengths of a track.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// In ticks of the track.
    pub(super) media: u64,
    /// In ms, edits included.
    pub(super) movie: u64,
    /// The edit: ms before the first sample, and ticks of the media that are not shown.
    pub(super) edit: Option<Edit>,
}

/// An edit list of one track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    pub(super) delay_ms: u64,
    pub(super) skipped: u64,
}

/// Ticks per second of the movie.
pub(super) const MOVIE_TIMESCALE: u32 = 1000;
/// The language "und" (ISO/IEC 14496-12 §8.4.2.3).
const UNDETERMINED: u16 = 0x55c4;

pub(super) fn track_id(setup: &TrackSetup) -> u32 {
    u32::try_from(setup.number.get()).unwrap_or(u32::MAX)
}

pub(super) fn file_type(out: &mut BoxWriter, major: &[u8; 4], compatible: &[&[u8; 4]]) {
    out.boxed(b"ftyp", |out| {
        out.raw(major);
        out.u32(0);
        compatible.iter().for_each(|brand| out.raw(*brand));
    });
}

pub(super) fn movie_header(out: &mut BoxWriter, duration: u64, last_track: u32) {
    out.full(b"mvhd", 1, 0, |out| {
        out.zeros(16);
        out.u32(MOVIE_TIMESCALE);
        out.u64(duration);
        out.u32(0x0001_0000);
        out.u16(0x0100);
        out.zeros(10);
        unity_matrix(out);
        out.zeros(24);
        out.u32(last_track.saturating_add(1));
    });
}

/// Writes a `trak` box whose sample tables `tables` writes.
pub(super) fn track(out: &mut BoxWriter, setup: &TrackSetup, times: Times, tables: impl FnOnce(&mut BoxWriter)) {
    out.boxed(b"trak", |out| {
        track_header(out, setup, times.movie);
        if let Some(edit) = times.edit {
            edit_list(out, edit, times);
        }
        out.boxed(b"mdia", |out| {
            out.full(b"mdhd", 1, 0, |out| {
                out.zeros(16);
                out.u32(setup.timescale);
                out.u64(times.media);
                out.u16(UNDETERMINED);
                out.u16(0);
            });
            let (kind, name): (_, &[u8]) =
                if setup.is_video() { (b"vide", b"VideoHandler\0") } else { (b"soun", b"SoundHandler\0") };
            out.full(b"hdlr", 0, 0, |out| {
                out.u32(0);
                out.raw(kind);
                out.zeros(12);
                out.raw(name);
            });
            out.boxed(b"minf", |out| {
                if setup.is_video() {
                    out.full(b"vmhd", 0, 1, |out| out.zeros(8));
                } else {
                    out.full(b"smhd", 0, 0, |out| out.zeros(4));
                }
                out.boxed(b"dinf", |out| {
                    out.full(b"dref", 0, 0, |out| {
                        out.u32(1);
                        out.full(b"url ", 0, 1, |_| {});
                    });
                });
                out.boxed(b"stbl", |out| {
                    out.full(b"stsd", 0, 0, |out| {
                        out.u32(1);
                        sample_entry(out, &setup.codec);
                    });
                    tables(out);
                });
            });
        });
    });
}

fn track_header(out: &mut BoxWriter, setup: &TrackSetup, duration: u64) {
    // Enabled, in the movie, in the preview.
    out.full(b"tkhd", 1, 7, |out| {
        out.zeros(16);
        out.u32(track_id(setup));
        out.u32(0);
        out.u64(duration);
        out.zeros(12);
        out.u16(if setup.is_video() { 0 } else { 0x0100 });
        out.u16(0);
        unity_matrix(out);
        let (width, height) = match setup.codec {
            Codec::Video { width, height, .. } => (width, height),
            Codec::Aac(_) | Codec::G711 { .. } => (0, 0),
        };
        out.u32(u32::from(width) << 16);
        out.u32(u32::from(height) << 16);
    });
}

fn edit_list(out: &mut BoxWriter, edit: Edit, times: Times) {
    out.boxed(b"edts", |out| {
        out.full(b"elst", 1, 0, |out| {
            out.u32(if edit.delay_ms > 0 { 2 } else { 1 });
            if edit.delay_ms > 0 {
                out.u64(edit.delay_ms);
                out.u64(u64::MAX);
                out.u32(0x0001_0000);
            }
            out.u64(times.movie.saturating_sub(edit.delay_ms));
            out.u64(edit.skipped);
            out.u32(0x0001_0000);
        });
    });
}

fn unity_matrix(out: &mut BoxWriter) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        out.u32(value);
    }
}

fn sample_entry(out: &mut BoxWriter, codec: &Codec) {
    match codec {
        Codec::Video { codec, record, width, height, .. } => {
            let (entry, configuration) = match codec {
                VideoCodec::H264 => (b"avc1", b"avcC"),
                VideoCodec::H265 => (b"hvc1", b"hvcC"),
            };
            out.boxed(entry, |out| {
                out.zeros(6);
                out.u16(1);
                out.zeros(16);
                out.u16(*width);
                out.u16(*height);
                // 72 dots per inch, one frame per sample, no name, 24 bits, no color table.
                out.u32(0x0048_0000);
                out.u32(0x0048_0000);
                out.u32(0);
                out.u16(1);
                out.zeros(32);
                out.u16(24);
                out.u16(u16::MAX);
                out.boxed(configuration, |out| out.raw(record));
            });
        }
        Codec::Aac(config) => {
            let channels = u16::from(config.channels());
            audio_entry(out, b"mp4a", channels, config.sampling_frequency(), |out| {
                out.full(b"esds", 0, 0, |out| decoder_descriptor(out, &config.to_bytes()));
            });
        }
        Codec::G711 { law, sampling_frequency, channels } => {
            let kind = match law {
                Law::A => b"alaw",
                Law::Mu => b"ulaw",
            };
            audio_entry(out, kind, *channels, *sampling_frequency, |_| {});
        }
    }
}

fn audio_entry(
    out: &mut BoxWriter,
    kind: &[u8; 4],
    channels: u16,
    sampling_frequency: u32,
    content: impl FnOnce(&mut BoxWriter),
) {
    out.boxed(kind, |out| {
        out.zeros(6);
        out.u16(1);
        out.zeros(8);
        out.u16(channels);
        out.u16(16);
        out.zeros(4);
        // 16.16 fixed point; the AudioSpecificConfig states frequencies that do not fit.
        out.u32(u16::try_from(sampling_frequency).map_or(0, |frequency| u32::from(frequency) << 16));
        content(out);
    });
}

/// Writes the ES_Descriptor of AAC (ISO/IEC 14496-1 §7.2.6.5).
fn decoder_descriptor(out: &mut BoxWriter, config: &[u8]) {
    const AAC: u8 = 0x40;
    /// Audio stream, not upstream, reserved bit set.
    const AUDIO: u8 = 0x15;
    let specific = u8::try_from(config.len()).unwrap_or(u8::MAX);
    // Lengths below 128 take one byte, and a config has at most 64.
    let decoder = specific.saturating_add(15);
    let (es, sl) = (decoder.saturating_add(8), [6, 1, 2]);
    out.raw(&[3, es, 0, 0, 0]);
    out.raw(&[4, decoder, AAC, AUDIO]);
    out.zeros(11);
    out.raw(&[5, specific]);
    out.raw(config);
    out.raw(&sl);
}
