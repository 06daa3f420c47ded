//! Media for the scripted server, as RTP packets.

use bytes::Bytes;
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::nal::{self, LengthSize};
use kvs_mkv::codec::{AccessUnitSplitter, SplitEvent};

use super::Step;

/// 120 access units of H.264, key frames at 0, 25, 50, 60, 85 and 110, of another size from 60 on.
const VIDEO: &[u8] = include_bytes!("../../../kvs-mkv/tests/cases/size_change.h264");
/// H.265, each session of it begins with a key frame.
const H265: &[u8] = include_bytes!("../../../kvs-mkv/tests/cases/reschange.h265");
/// A packet fits an Ethernet frame.
const MTU: usize = 1400;
/// 100 frames per second on the clock of video, as they are sent: the tests are short.
pub(crate) const INTERVAL: u32 = 900;

/// One access unit: its NAL units, and whether it is a key frame.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) units: Vec<Vec<u8>>,
    pub(crate) keyframe: bool,
}

/// The access units of the recording.
pub(crate) fn pictures() -> Vec<Picture> {
    let mut splitter = AccessUnitSplitter::h264(TrackNumber::ONE);
    splitter.push(Bytes::from_static(VIDEO));
    let mut pictures = Vec::new();
    let mut add = |event| {
        if let SplitEvent::AccessUnit(unit) = event {
            let data = unit.data.clone().into_bytes();
            let units = nal::length_prefixed(&data, LengthSize::FOUR).map(|unit| unit.unwrap().to_vec()).collect();
            pictures.push(Picture { units, keyframe: unit.is_keyframe() });
        }
    };
    while let Some(event) = splitter.next_event().unwrap() {
        add(event);
    }
    while let Some(event) = splitter.finish().unwrap() {
        add(event);
    }
    pictures
}

/// The packets of a picture: whole NAL units, or FU-A (RFC 6184).
pub(crate) fn packets(picture: &Picture, time: u32) -> Vec<Step> {
    let mut payloads = Vec::new();
    for unit in &picture.units {
        if unit.len() <= MTU {
            payloads.push(unit.clone());
            continue;
        }
        let (header, body) = (unit[0], &unit[1..]);
        let pieces: Vec<&[u8]> = body.chunks(MTU - 2).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let start = u8::from(at == 0) << 7;
            let end = u8::from(at + 1 == pieces.len()) << 6;
            let mut payload = vec![header & 0x60 | 28, start | end | header & 0x1f];
            payload.extend_from_slice(piece);
            payloads.push(payload);
        }
    }
    let last = payloads.len() - 1;
    let step = |(at, payload)| Step::Packet { track: 0, time, marker: at == last, payload };
    payloads.into_iter().enumerate().map(step).collect()
}

/// Pictures from one to another, with a pause after each, their times from `time` on.
pub(crate) fn video(range: std::ops::Range<usize>, mut time: u32) -> Vec<Step> {
    let pictures = pictures();
    let mut steps = Vec::new();
    for picture in &pictures[range] {
        steps.extend(packets(picture, time));
        steps.push(Step::Sleep(PAUSE));
        time = time.wrapping_add(INTERVAL);
    }
    steps
}

/// The time between two frames.
pub(crate) const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// The packets of a recording of H.265 (RFC 7798), with a pause after each picture.
pub(crate) fn video_h265(count: usize) -> Vec<Step> {
    let mut splitter = AccessUnitSplitter::h265(TrackNumber::ONE);
    splitter.push(Bytes::from_static(H265));
    let (mut steps, mut time) = (Vec::new(), 0_u32);
    while let Some(event) = splitter.next_event().unwrap() {
        let SplitEvent::AccessUnit(unit) = event else { continue };
        let data = unit.data.clone().into_bytes();
        let units: Vec<Vec<u8>> =
            nal::length_prefixed(&data, LengthSize::FOUR).map(|unit| unit.unwrap().to_vec()).collect();
        let payloads: Vec<Vec<u8>> = units.iter().flat_map(|unit| h265_payloads(unit)).collect();
        let last = payloads.len() - 1;
        let packet = |(at, payload)| Step::Packet { track: 0, time, marker: at == last, payload };
        steps.extend(payloads.into_iter().enumerate().map(packet));
        steps.push(Step::Sleep(PAUSE));
        time += INTERVAL;
        if time == INTERVAL * u32::try_from(count).unwrap() {
            break;
        }
    }
    steps
}

/// A whole NAL unit, or fragmentation units.
fn h265_payloads(unit: &[u8]) -> Vec<Vec<u8>> {
    if unit.len() <= MTU {
        return vec![unit.to_vec()];
    }
    let (first, second, kind) = (unit[0] & 0x81 | 49 << 1, unit[1], unit[0] >> 1 & 0x3f);
    let pieces: Vec<&[u8]> = unit[2..].chunks(MTU - 3).collect();
    let fragment = |(at, piece): (usize, &&[u8])| {
        let start = u8::from(at == 0) << 7;
        let end = u8::from(at + 1 == pieces.len()) << 6;
        [&[first, second, start | end | kind], *piece].concat()
    };
    pieces.iter().enumerate().map(fragment).collect()
}

/// A packet of 10 ms of G.711.
pub(crate) fn alaw(track: usize, time: u32) -> Step {
    Step::Packet { track, time, marker: false, payload: vec![0xd5; 80] }
}

/// A packet with one frame of AAC (RFC 3640, AAC-hbr).
pub(crate) fn aac(track: usize, time: u32) -> Step {
    let frame = [0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c];
    let mut payload = vec![0, 16];
    payload.extend_from_slice(&(u16::try_from(frame.len()).unwrap() << 3).to_be_bytes());
    payload.extend_from_slice(&frame);
    Step::Packet { track, time, marker: true, payload }
}

/// The descriptions of tracks.
pub(crate) mod sdp {
    pub(crate) const H264: &str =
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n";
    pub(crate) const H265: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n";
    pub(crate) const ALAW: &str = "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";
    pub(crate) const AAC: &str = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\n\
        a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r\n";
    pub(crate) const JPEG: &str = "m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\n";
    pub(crate) const METADATA: &str = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n";
}
