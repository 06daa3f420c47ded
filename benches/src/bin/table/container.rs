//! Writing and parsing live Matroska, beside other crates and beside the least that any reader does.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use kvs_benches::caches::Caches;
use kvs_benches::container::{Sizes, live, walk, writer};
use kvs_benches::peers::{drain, parse_mkv_element, parse_ours, parse_ours_borrowed, write_webm_iterable};
use kvs_mkv::{Frame, Limits, Parser, TrackNumber, Writer};

use crate::Effort;
use crate::comparison::{Aim, Comparison, timed};

/// Frames written in one pass; all are within the 32 s that a cluster may span.
const WRITTEN: usize = 700;

pub(crate) fn write_audio(_: &Effort) -> Comparison {
    write(Sizes::Audio).row("write blocks of 200 B, `Writer::blocks`", BLOCKS, WEBM_ITERABLE, Aim::AtMost(1.0)).row(
        "write blocks of 200 B one by one, `Writer::block`",
        BLOCK,
        WEBM_ITERABLE,
        Aim::AtMost(1.0),
    )
}

pub(crate) fn write_mix(_: &Effort) -> Comparison {
    write(Sizes::Mix)
        .row("write blocks of the 1080p mix, `Writer::blocks`", BLOCKS, WEBM_ITERABLE, Aim::AtMost(0.06))
        .row("write blocks of the 1080p mix one by one, `Writer::block`", BLOCK, WEBM_ITERABLE, Aim::AtMost(0.06))
}

const BLOCK: &str = "block";
const BLOCKS: &str = "blocks";
const WEBM_ITERABLE: &str = "webm-iterable, which copies the payload";

fn write(sizes: Sizes) -> Comparison {
    let payloads: Vec<Bytes> = (0..WRITTEN).map(|nth| Bytes::from(vec![0x5A; sizes.of(nth)])).collect();
    let frame = |(nth, payload): (usize, &Bytes)| {
        Frame::new(TrackNumber::ONE, Duration::from_millis(nth as u64 * 40), payload.clone())
    };
    let frames: Vec<Frame> = payloads.iter().enumerate().map(frame).collect();
    let blocks: Vec<Vec<u8>> = payloads.iter().map(|payload| [&[0x81, 0, 0, 0x80][..], payload].concat()).collect();
    let mut out = Vec::with_capacity(blocks.iter().map(|block| block.len() + 16).sum());
    let kept = frames.clone();
    let mut batch = open_writer();
    let together = move || timed(|| drop(black_box(batch.blocks(black_box(&kept)).expect("within the cluster"))));
    // Frames are moved in, as a camera does; blocks are dropped, as after sending.
    let mut writer = open_writer();
    let one_by_one = move || {
        let frames = frames.clone();
        timed(|| {
            for frame in frames {
                drop(black_box(writer.block(frame).expect("within the cluster")));
            }
        })
    };
    Comparison::new(WRITTEN)
        .work(BLOCKS, together)
        .work(BLOCK, one_by_one)
        .work(WEBM_ITERABLE, move || timed(|| write_webm_iterable(black_box(&blocks), &mut out)))
}

fn open_writer() -> Writer {
    let mut writer = writer();
    writer.start_segment();
    writer.start_cluster(Duration::ZERO).expect("a cluster at zero");
    writer
}

pub(crate) fn parse_mix_cold(effort: &Effort) -> Comparison {
    parse(effort.mix_frames, Sizes::Mix, true)
        .row("parse the 1080p mix, headers cold, `next_event_ref`", BORROWED, WALK, Aim::AtMost(1.15))
        .row("parse the 1080p mix, headers cold, `next_event`", OWNED, WALK, Aim::AtMost(1.15))
}

pub(crate) fn parse_mix_cached(effort: &Effort) -> Comparison {
    parse(effort.mix_frames, Sizes::Mix, false)
        .row("parse the 1080p mix, headers in the cache, `next_event_ref`", BORROWED, WALK, Aim::AtMost(2.0))
        .row("parse the 1080p mix, headers in the cache, `next_event`", OWNED, WALK, Aim::AtMost(2.0))
        .row("parse the 1080p mix, headers in the cache, `next_event_ref`", BORROWED, MKV_ELEMENT, Aim::Below)
        .row("parse the 1080p mix, headers in the cache, `next_event`", OWNED, MKV_ELEMENT, Aim::Below)
}

pub(crate) fn parse_audio(effort: &Effort) -> Comparison {
    parse(effort.audio_frames, Sizes::Audio, true)
        .row("parse frames of 200 B, `next_event_ref`", BORROWED, WALK, Aim::AtMost(1.25))
        .row("parse frames of 200 B, `next_event`", OWNED, WALK, Aim::AtMost(1.25))
        .row("parse frames of 200 B, `next_event_ref`", BORROWED, MKV_ELEMENT, Aim::Below)
        .row("parse frames of 200 B, `next_event`", OWNED, MKV_ELEMENT, Aim::Below)
}

const OWNED: &str = "next_event";
const BORROWED: &str = "next_event_ref";
const WALK: &str = "bare header walk";
const MKV_ELEMENT: &str = "mkv-element, clusters walked by hand";

/// Parses a whole stream and counts its frames.
type CountFrames = fn(&Bytes) -> u64;

fn parse(frames: usize, sizes: Sizes, cold: bool) -> Comparison {
    let stream = live(frames, sizes);
    let caches = cold.then(|| Rc::new(Caches::default()));
    let mut comparison = Comparison::new(frames);
    let parsers: [(&str, CountFrames); 4] = [
        (BORROWED, parse_ours_borrowed),
        (OWNED, parse_ours),
        (WALK, |stream| black_box(walk(stream)).0),
        (MKV_ELEMENT, parse_mkv_element),
    ];
    for (name, parse) in parsers {
        let (stream, caches) = (stream.clone(), caches.clone());
        assert_eq!(parse(&stream), frames as u64, "{name} finds all frames");
        comparison = comparison.work(name, move || {
            caches.as_ref().map(|caches| caches.evict());
            timed(|| parse(&stream))
        });
    }
    comparison
}

/// The same stream whole and in pieces: of a large read, of a TLS record, and of a TCP segment.
pub(crate) fn push(effort: &Effort) -> Comparison {
    let frames = effort.mix_frames;
    let stream = live(frames, Sizes::Mix);
    let mut comparison = Comparison::new(frames);
    let sizes = [("whole", stream.len()), ("64 kB", 64 << 10), ("16 kB", 16 << 10), ("1,400 B", 1400)];
    for (name, size) in sizes {
        let piece = |from: usize| stream.slice(from..stream.len().min(from + size));
        let pieces: Vec<Bytes> = (0..stream.len()).step_by(size).map(piece).collect();
        if name == "1,400 B" {
            let pieces = pieces.clone();
            comparison = comparison.work("drop 1,400 B", move || {
                let pieces = pieces.clone();
                timed(|| drop(pieces))
            });
        }
        comparison = comparison.work(name, move || {
            let pieces = pieces.clone();
            timed(|| assert_eq!(parse_pieces(pieces), frames as u64, "all frames"))
        });
    }
    comparison
        .row("push pieces of 64 kB", "64 kB", "whole", Aim::Rate(0.92))
        .row("push pieces of 16 kB, a TLS record", "16 kB", "whole", Aim::Rate(0.85))
        .row("push pieces of 1,400 B, a TCP segment", "1,400 B", "whole", Aim::Rate(0.5))
        .row("drop pieces of 1,400 B without parsing", "drop 1,400 B", "whole", Aim::Unset)
}

fn parse_pieces(pieces: Vec<Bytes>) -> u64 {
    let mut parser = Parser::new(Limits::default());
    let mut frames = 0;
    for piece in pieces {
        parser.push(piece);
        frames += drain(&mut parser);
    }
    frames
}
