//! Feeds that are not one whole frame per put, read back from kvs-local and decoded by ffmpeg.

use crate::support;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_aws::{Client, GetMediaForFragmentList, ListFragments, StreamId, TimestampOrigin};
use kvs_local::LocalKvs;
use kvs_mkv::codec::aac::AdtsHeader;
use kvs_mkv::codec::nal;
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_producer::{NewStream, Producer, ProducerConfig, StreamLookup, Timestamps};

/// 120 pictures at 25 per second: 128x96, then 64x48 from the 61st on.
const SIZE_CHANGE: &[u8] = include_bytes!("../../../kvs-producer/tests/media/size_change.h264");
/// 95 frames of AAC LC at 48 kHz.
const TONE: &[u8] = include_bytes!("../../../kvs-producer/tests/media/tone.aac");
/// Where both are.
const MEDIA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kvs-producer/tests/media");

/// Arguments of ffmpeg: pictures as they are decoded, in the size that each has; sounds as they are coded, without ADTS headers.
const DECODED: &[&str] = &["-autoscale", "0", "-fps_mode", "passthrough"];
const CODED: &[&str] = &["-c", "copy"];

/// Sends frames to a stream of their own.
async fn send(client: &Client, stream: &str, track: Track, frames: Vec<Frame>) {
    let config = ProducerConfig::new(stream, vec![track])
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(3600))))
        .timestamps(Timestamps::StartAt(SystemTime::now() - Duration::from_secs(60)));
    let producer = Producer::open(config, client.clone()).await.unwrap();
    for frame in frames {
        producer.put_frame(frame).await.unwrap();
    }
    let report = producer.stop(Duration::from_secs(20)).await;
    assert!(report.is_complete() && report.totals.lost.bytes == 0, "{report:?}");
}

/// ffmpeg's hashes of each stored fragment; times left out.
async fn stored(client: &Client, stream: &str, folder: &Path, arguments: &[&str]) -> Vec<String> {
    let stream: StreamId = stream.parse().unwrap();
    let now = SystemTime::now();
    let range = now - Duration::from_secs(3600)..now + Duration::from_secs(60);
    let (mut pages, mut stored) =
        (client.pages(ListFragments::new(stream.clone(), TimestampOrigin::Server, range)), Vec::new());
    while let Some(page) = pages.next().await.unwrap() {
        stored.extend(page.fragments);
    }
    stored.sort_by(|one, other| one.fragment_number.cmp(&other.fragment_number));
    let mut frames = Vec::new();
    for fragment in stored {
        let list = GetMediaForFragmentList::new(stream.clone(), [fragment.fragment_number.unwrap()]);
        let (mut body, mut media) = (client.send(list).await.unwrap(), Vec::new());
        while let Some(piece) = body.next().await.unwrap() {
            media.extend_from_slice(&piece);
        }
        let file = folder.join("fragment.mkv");
        std::fs::write(&file, media).unwrap();
        frames.extend(hashes(&file, arguments));
    }
    frames
}

/// ffmpeg's hashes of the frames of a file, each with its size in bytes.
fn hashes(file: &Path, arguments: &[&str]) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(file)
        .args(arguments)
        .args(["-f", "framehash", "-"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    // Stream, dts, pts, duration, size, hash, and side data of the packet.
    let of_frame = |line: &str| line.split(',').skip(4).take(2).map(str::trim).collect::<Vec<_>>().join(" ");
    lines.lines().filter(|line| !line.starts_with('#')).map(of_frame).collect()
}

fn is_slice(unit: &[u8]) -> bool {
    matches!(unit[0] & 0x1f, 1 | 5)
}

fn ends_access_unit(unit: &[u8]) -> bool {
    is_slice(unit)
}

fn ends_put(unit: &[u8]) -> bool {
    is_slice(unit) || unit[0] & 0x1f == 8
}

/// Whether a put ends with this NAL unit.
type Ends = fn(&[u8]) -> bool;

/// Frames of some NAL units each, in start codes.
fn pictures(ends: Ends) -> Vec<Frame> {
    let (mut frames, mut open, mut picture) = (Vec::new(), Vec::new(), 0);
    for unit in nal::annex_b(SIZE_CHANGE).unwrap() {
        open.extend_from_slice(b"\0\0\0\x01");
        open.extend_from_slice(unit);
        if ends(unit) {
            let frame = Frame::new(TrackNumber::ONE, Duration::from_millis(picture * 40), std::mem::take(&mut open));
            frames.push(frame.with_keyframe(unit[0] & 0x1f == 5));
        }
        picture += u64::from(is_slice(unit));
    }
    frames
}

fn sound(together: usize) -> Vec<Frame> {
    let (mut rest, mut frames) = (TONE, Vec::new());
    while !rest.is_empty() {
        let (frame, more) = rest.split_at(AdtsHeader::parse(rest).unwrap().frame_len);
        frames.push(frame);
        rest = more;
    }
    let time = |nth: usize| Duration::from_nanos((nth * together) as u64 * 1024 * 1_000_000_000 / 48_000);
    let group = |(nth, group): (usize, &[&[u8]])| Frame::new(TrackNumber::ONE, time(nth), Bytes::from(group.concat()));
    frames.chunks(together).enumerate().map(group).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_feed_gives_the_same_pictures_and_sounds() {
    if !test_judges::available("every_way_to_feed_gives_the_same_pictures_and_sounds", &["ffmpeg"]) {
        return;
    }
    let (local, folder) = (LocalKvs::builder().start().await.unwrap(), tempfile::tempdir().unwrap());
    let client = support::client_of(&local);
    let pictures_of_file = hashes(&Path::new(MEDIA).join("size_change.h264"), DECODED);
    // The sizes are those of YUV 4:2:0 pictures.
    let sizes = |size: usize| pictures_of_file.iter().filter(|frame| frame.starts_with(&format!("{size} "))).count();
    assert_eq!((sizes(128 * 96 * 3 / 2), sizes(64 * 48 * 3 / 2), pictures_of_file.len()), (60, 60, 120));
    let feeds: [(&str, Ends); 3] =
        [("access-units", ends_access_unit), ("nal-by-nal", |_| true), ("sets-apart", ends_put)];
    for (name, ends) in feeds {
        let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
        send(&client, name, track, pictures(ends)).await;
        assert!(stored(&client, name, folder.path(), DECODED).await == pictures_of_file, "{name}");
    }

    let without_headers = [CODED, &["-bsf:a", "aac_adtstoasc"]].concat();
    let sounds_of_file = hashes(&Path::new(MEDIA).join("tone.aac"), &without_headers);
    assert_eq!(sounds_of_file.len(), 95);
    for together in [1, 14] {
        let name = format!("sound-{together}");
        send(&client, &name, Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::AAC), sound(together)).await;
        assert_eq!(stored(&client, &name, folder.path(), CODED).await, sounds_of_file, "{name}");
    }
    local.shutdown().await;
}
