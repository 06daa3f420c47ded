//! Frames and fields in one stream (PAFF), whose samples are written as they are: FFmpeg decodes what was put in.

use std::path::Path;

use crate::{bits::Bits, judge, split};
use bytes::Bytes;

use judge::text;
use split::{Codec, split};
use test_judges::available;

/// Width and height of a frame: two macroblocks each way.
const SIDE: usize = 32;

/// An SPS of Main profile with fields, and picture order count type 0.
fn sps() -> Vec<u8> {
    let head = Bits::default().u(77, 8).u(0, 8).u(30, 8).ue(0).ue(0).ue(0).ue(4).ue(1).u(0, 1);
    // Two macroblocks wide and, as a field, one high; fields, no MBAFF; direct inference, no cropping, no VUI.
    head.ue(1).ue(0).u(0, 2).u(1, 1).u(0, 2).unit(&[0x67])
}

/// A PPS with the control of the deblocking filter.
fn pps() -> Vec<u8> {
    Bits::default().ue(0).ue(0).u(0, 2).ue(0).ue(0).ue(0).u(0, 3).ue(0).ue(0).ue(0).u(1, 1).u(0, 2).unit(&[0x68])
}

/// A picture of 8-bit 4:2:0 samples: all planes of a frame or of a field, none of them zero.
#[derive(Clone)]
struct Planes {
    height: usize,
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
}

impl Planes {
    /// A frame that differs from all others and in all its lines.
    fn frame(seed: usize) -> Self {
        let samples = |count: usize, factor: usize| (0..count).map(|at| sample(at * factor + seed * 37)).collect();
        Self { height: SIDE, luma: samples(SIDE * SIDE, 7), chroma: [samples(256, 11), samples(256, 13)] }
    }

    /// The even lines or the odd ones.
    fn field(&self, bottom: bool) -> Self {
        let lines = |plane: &[u8], width: usize| {
            let lines = plane.chunks(width).skip(bottom.into()).step_by(2);
            lines.flatten().copied().collect::<Vec<u8>>()
        };
        let chroma = self.chroma.each_ref().map(|plane| lines(plane, SIDE / 2));
        Self { height: SIDE / 2, luma: lines(&self.luma, SIDE), chroma }
    }

    /// The macroblocks from the top left: luma, then chroma.
    fn macroblocks(&self) -> Vec<Vec<u8>> {
        let block = |plane: &[u8], size: usize, (x, y): (usize, usize)| {
            let width = size * SIDE / 16;
            let line = |line: usize| plane[(y * size + line) * width + x * size..][..size].to_vec();
            (0..size).flat_map(line).collect::<Vec<u8>>()
        };
        let places = (0..self.height / 16).flat_map(|y| (0..SIDE / 16).map(move |x| (x, y)));
        let all = |place| {
            let [blue, red] = self.chroma.each_ref().map(|plane| block(plane, 8, place));
            [block(&self.luma, 16, place), blue, red].concat()
        };
        places.map(all).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.luma[..], &self.chroma[0], &self.chroma[1]].concat()
    }
}

/// A sample that is not zero, so that no byte needs emulation prevention.
fn sample(value: usize) -> u8 {
    u8::try_from(16 + value % 200).unwrap()
}

/// An intra slice with all macroblocks of a picture.
struct Picture {
    idr: bool,
    number: u32,
    /// Picture order count.
    order: u32,
    field: Option<bool>,
    is_reference: bool,
}

impl Picture {
    fn unit(&self, planes: &Planes) -> Vec<u8> {
        let mut bits = Bits::default().ue(0).ue(7).ue(0).u(self.number, 4).u(self.field.is_some().into(), 1);
        if let Some(bottom) = self.field {
            bits = bits.u(bottom.into(), 1);
        }
        if self.idr {
            bits = bits.ue(0);
        }
        bits = bits.u(self.order, 8);
        if self.is_reference {
            // No long-term references, or a sliding window.
            bits = bits.u(0, if self.idr { 2 } else { 1 });
        }
        // No change of the quantizer, no deblocking.
        bits = bits.ue(0).ue(1);
        for block in planes.macroblocks() {
            bits = bits.ue(25).bytes(&block);
        }
        let reference = if self.is_reference { 0x60 } else { 0 };
        bits.unit(&[reference | if self.idr { 5 } else { 1 }])
    }
}

/// How a frame is coded.
#[derive(Clone, Copy, PartialEq)]
enum Coding {
    Frame,
    TopFirst,
    BottomFirst,
    /// The other field was lost.
    OnlyTop,
}

/// A stream of frames: whether each is a reference, and how it is coded.
fn stream(frames: &[(bool, Coding)]) -> (Vec<u8>, Vec<Planes>) {
    let (mut units, mut shown) = (vec![sps(), pps()], Vec::new());
    let mut number = 0;
    for (nth, &(is_reference, coding)) in frames.iter().enumerate() {
        let (planes, order) = (Planes::frame(nth), 2 * u32::try_from(nth).unwrap());
        let mut picture = |idr: bool, field: Option<bool>| {
            let order = order + u32::from(field == Some(true));
            let picture = Picture { idr, number: number % 16, order, field, is_reference };
            let planes = field.map_or(planes.clone(), |bottom| planes.field(bottom));
            units.push(picture.unit(&planes));
        };
        let idr = nth == 0;
        match coding {
            Coding::Frame => picture(idr, None),
            Coding::OnlyTop => picture(idr, Some(false)),
            // The second field of an IDR picture is not one itself.
            Coding::TopFirst => [false, true].into_iter().for_each(|bottom| picture(idr && !bottom, Some(bottom))),
            Coding::BottomFirst => [true, false].into_iter().for_each(|bottom| picture(idr && bottom, Some(bottom))),
        }
        number += u32::from(is_reference);
        shown.push(planes);
    }
    (units.iter().flat_map(|unit| [&[0, 0, 0, 1], &unit[..]].concat()).collect(), shown)
}

/// The samples of all pictures that FFmpeg decodes.
fn decoded(file: &Path) -> Vec<Vec<u8>> {
    let raw = file.with_extension("yuv");
    let options = ["-v", "error", "-y", "-i", text(file), "-fps_mode", "passthrough", "-pix_fmt", "yuv420p"];
    judge::run("ffmpeg", &[&options[..], &["-f", "rawvideo", text(&raw)]].concat());
    std::fs::read(raw).unwrap().chunks(SIDE * SIDE * 3 / 2).map(<[u8]>::to_vec).collect()
}

#[test]
fn frames_and_fields_of_one_stream_decode_to_what_was_put_in() {
    use Coding::{BottomFirst, Frame, OnlyTop, TopFirst};
    let whole = [
        (true, TopFirst),
        (true, Frame),
        (false, TopFirst),
        (false, BottomFirst),
        (true, BottomFirst),
        (false, Frame),
        (true, TopFirst),
    ];
    let lost =
        [(true, TopFirst), (true, Frame), (false, OnlyTop), (true, TopFirst), (true, OnlyTop), (true, BottomFirst)];
    for frames in [&whole[..], &lost] {
        let (bytes, shown) = stream(frames);
        let split = split(Codec::H264, [Bytes::from(bytes)]);
        let [session] = &split.sessions[..] else { panic!("{} sessions", split.sessions.len()) };
        assert_eq!((session.units.len(), split.skipped.len()), (frames.len(), 0));
        let video = session.track.video.unwrap();
        assert_eq!((video.width, video.height), (32, 32));
        let slices = |unit| split.unit_types(0, unit).into_iter().filter(|kind| matches!(kind, 1 | 5)).count();
        for (unit, (_, coding)) in frames.iter().enumerate() {
            let expected = if matches!(coding, Frame | OnlyTop) { 1 } else { 2 };
            assert_eq!(slices(unit), expected, "access unit {unit}");
        }
        if !available("frames_and_fields_of_one_stream_decode_to_what_was_put_in", &["ffmpeg"]) {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fields.mkv");
        std::fs::write(&file, session.matroska()).unwrap();
        let decoded = decoded(&file);
        // FFmpeg does not show a field whose other field is missing.
        let complete =
            shown.iter().zip(frames).filter(|(_, (_, coding))| *coding != OnlyTop).map(|(planes, _)| planes.bytes());
        let complete: Vec<_> = complete.collect();
        assert_eq!(decoded.len(), complete.len());
        let differ = complete.iter().zip(&decoded).position(|(planes, decoded)| planes != decoded);
        assert_eq!(differ, None, "the index of the picture that is another one");
    }
}
