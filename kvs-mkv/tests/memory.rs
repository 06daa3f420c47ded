//! The cost of a frame: no copy of its payload, almost no allocation, and bounded memory.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use cpu_time::ThreadTime;
use kvs_mkv::{
    BlockBuffer, BlockPosition, Chunks, CodecId, Event, EventRef, Frame, Limits, Parser, SegmentInfo, Track, TrackKind,
    TrackNumber, WriteError, Writer,
};
use proptest::collection::vec;
use proptest::prelude::*;

use common::{cluster, element, head, simple_block};

const FRAMES: u64 = 10_000;

fn writer() -> Writer {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    Writer::new(SegmentInfo::new([1; 16]), vec![track]).unwrap()
}

/// A stream of many frames of this size, 100 per cluster.
fn stream(size: usize) -> Bytes {
    let mut writer = writer();
    let payload = Bytes::from(vec![0x5A; size]);
    let mut stream = Chunks::from(writer.start_segment());
    for nth in 0..FRAMES {
        let at = Duration::from_millis(nth * 40);
        if nth % 100 == 0 {
            stream.push(writer.start_cluster(at).unwrap());
        }
        stream.append(writer.block(Frame::new(TrackNumber::ONE, at, payload.clone())).unwrap());
    }
    stream.into_bytes()
}

fn frames(parser: &mut Parser) -> u64 {
    let mut frames = 0;
    while let Some(event) = parser.next_event().unwrap() {
        frames += u64::from(matches!(event, Event::Frame(_)));
    }
    frames
}

#[test]
fn written_block_is_a_header_and_the_same_payload_bytes() {
    let mut writer = writer();
    writer.start_segment();
    writer.start_cluster(Duration::ZERO).unwrap();
    let pieces: Vec<Bytes> = [9000, 1, 300].into_iter().map(|length| Bytes::from(vec![1; length])).collect();
    for count in 0..=3 {
        let data: Chunks = pieces.iter().take(count).cloned().collect();
        let block = writer.block(Frame::new(TrackNumber::ONE, Duration::ZERO, data)).unwrap();
        assert_eq!((block.pieces().len(), block.pieces()[0].len()), (count + 1, 13));
        for (out, piece) in block.pieces()[1..].iter().zip(&pieces) {
            assert_eq!((out.as_ptr(), out.len()), (piece.as_ptr(), piece.len()));
        }
    }
}

#[test]
fn small_payloads_share_pieces_and_large_ones_are_not_copied() {
    let mut writer = writer();
    writer.start_segment();
    writer.start_cluster(Duration::ZERO).unwrap();
    let large = Bytes::from(vec![2; 513]);
    let payloads = [Bytes::from(vec![1; 200]), Bytes::from(vec![1; 512]), large.clone(), Bytes::new()];
    let frames = payloads.map(|data| Frame::new(TrackNumber::ONE, Duration::ZERO, data));
    let blocks = writer.blocks(&frames).unwrap();
    let lengths: Vec<usize> = blocks.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [213 + 525 + 13, 513, 13]);
    assert_eq!(blocks.pieces()[1].as_ptr(), large.as_ptr());
}

#[test]
fn blocks_together_are_the_bytes_of_blocks_one_by_one() {
    let (mut one_by_one, mut together) = (writer(), writer());
    for writer in [&mut one_by_one, &mut together] {
        writer.start_segment();
        writer.start_cluster(Duration::ZERO).unwrap();
    }
    let frames: Vec<Frame> = [0, 1, 200, 511, 512, 513, 4000, 8, 60_000]
        .into_iter()
        .cycle()
        .take(200)
        .enumerate()
        .map(|(nth, len)| {
            // Up to three pieces; a large payload of several pieces keeps them.
            let whole = Bytes::from(vec![u8::try_from(nth).unwrap(); len]);
            let data: Chunks =
                [0..len / 9, len / 9..len / 2, len / 2..len].map(|part| whole.slice(part)).into_iter().collect();
            let at = Duration::from_millis(nth as u64);
            Frame::new(TrackNumber::ONE, at, data).with_keyframe(nth % 3 == 0)
        })
        .collect();
    let mut expected = Chunks::new();
    for frame in &frames {
        expected.append(one_by_one.block(frame.clone()).unwrap());
    }
    assert_eq!(together.blocks(&frames).unwrap(), expected);
    // What was written before an error is dropped with it.
    let late = Frame::new(TrackNumber::ONE, Duration::from_secs(40), vec![1]);
    let small = Frame::new(TrackNumber::ONE, Duration::ZERO, vec![1]);
    assert!(together.blocks([&small, &late]).is_err());
    assert_eq!(together.blocks([&small]).unwrap(), one_by_one.block(small).unwrap());
    assert_eq!(together.blocks::<Frame>([]).unwrap(), Chunks::new());
}

/// Frames of many sizes, in up to three pieces.
fn frames_of_all_sizes() -> Vec<Frame> {
    let sizes = [0, 1, 200, 511, 512, 513, 700, 4000, 8, 60_000].into_iter().cycle().take(200).enumerate();
    let frame = |(nth, len): (usize, usize)| {
        let whole = Bytes::from(vec![u8::try_from(nth).unwrap(); len]);
        let cuts = [0..4.min(len), 4.min(len)..len / 2 + 2, len / 2 + 2..len];
        let pieces = if nth % 2 == 0 {
            vec![whole]
        } else {
            cuts.map(|cut| whole.get(cut).map(Bytes::copy_from_slice)).into_iter().flatten().collect()
        };
        let at = Duration::from_millis(10_000 + nth as u64);
        Frame::new(TrackNumber::ONE, at, pieces.into_iter().collect::<Chunks>()).with_keyframe(nth % 3 == 0)
    };
    sizes.map(frame).collect()
}

/// A writer whose cluster is at this time.
fn in_cluster(ms: u64) -> Writer {
    let mut writer = writer();
    writer.start_segment();
    writer.start_cluster(Duration::from_millis(ms)).unwrap();
    writer
}

fn buffered(frames: &[Frame]) -> BlockBuffer {
    let mut blocks = BlockBuffer::new(Duration::from_secs(10));
    frames.iter().for_each(|frame| blocks.push(&mut frame.clone()).unwrap());
    blocks
}

#[test]
fn buffered_blocks_are_the_bytes_of_blocks_in_every_segment_and_in_any_steps() {
    let frames = frames_of_all_sizes();
    let mut direct = in_cluster(10_000);
    let written: Vec<Chunks> = frames.iter().map(|frame| direct.block(frame.clone()).unwrap()).collect();
    let mut expected = Chunks::new();
    written.iter().for_each(|block| expected.append(block.clone()));
    let mut ends = vec![0];
    ends.extend(written.iter().scan(0, |end, block| {
        *end += block.len();
        Some(*end)
    }));
    let blocks = buffered(&frames);
    // Relative timecodes count from another origin: the blocks are the same.
    for (cluster, enough) in [(10_000, 0), (10_000, 1), (0, 5000), (7, 100_000), (0, usize::MAX)] {
        let (mut writer, mut position, mut all) = (in_cluster(cluster), BlockPosition::default(), Chunks::new());
        loop {
            let before = all.len();
            writer.buffered_blocks(&blocks, &mut position, enough, &mut all).unwrap();
            assert!(ends.contains(&all.len()), "{} is inside a block", all.len());
            // A part has up to 4,096 copied bytes, a block at most 60,013.
            assert!(all.len() - before < enough.saturating_add(4096 + 512 + 60_013));
            if all.len() == before {
                break;
            }
        }
        assert_eq!(all, expected, "{enough} bytes at a time");
    }
}

#[test]
fn buffered_blocks_are_read_as_they_come() {
    let (mut blocks, mut writer) = (BlockBuffer::new(Duration::from_secs(10)), in_cluster(10_000));
    let (mut direct, mut position) = (in_cluster(10_000), BlockPosition::default());
    for frame in frames_of_all_sizes() {
        let mut out = Chunks::new();
        writer.buffered_blocks(&blocks, &mut position, usize::MAX, &mut out).unwrap();
        assert!(out.is_empty() && blocks.is_end(&position), "nothing is read twice");
        blocks.push(&mut frame.clone()).unwrap();
        assert!(!blocks.is_end(&position));
        writer.buffered_blocks(&blocks, &mut position, usize::MAX, &mut out).unwrap();
        assert_eq!(out, direct.block(frame).unwrap());
    }
}

#[test]
fn buffered_blocks_copy_small_pieces_only_and_refuse_what_no_cluster_can_have() {
    let large = Bytes::from(vec![2; 513]);
    let mut blocks = BlockBuffer::new(Duration::from_secs(10));
    let data: Chunks = [Bytes::from(vec![0; 4]), large.clone(), Bytes::from(vec![1; 512])].into_iter().collect();
    blocks.push(&mut Frame::new(TrackNumber::ONE, Duration::from_secs(10), data)).unwrap();
    blocks.push(&mut Frame::new(TrackNumber::ONE, Duration::from_secs(10), vec![3; 200])).unwrap();
    let mut late = Frame::new(TrackNumber::ONE, Duration::from_secs(43), vec![1; 9000]);
    let before = late.clone();
    let apart = WriteError::TooFarFromCluster { units: 43_000, cluster: 10_000 };
    assert_eq!(blocks.push(&mut late), Err(apart));
    assert_eq!(late, before);
    let (mut position, mut out) = (BlockPosition::default(), Chunks::new());
    let mut outside = writer();
    outside.start_segment();
    assert_eq!(outside.buffered_blocks(&blocks, &mut position, 0, &mut out), Err(WriteError::NoCluster));
    in_cluster(0).buffered_blocks(&blocks, &mut position, usize::MAX, &mut out).unwrap();
    let lengths: Vec<usize> = out.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [13 + 4, 513, 512 + 213]);
    assert_eq!(out.pieces()[1].as_ptr(), large.as_ptr());
}

#[test]
fn buffered_blocks_hold_little_more_than_their_bytes() {
    let frames = vec![Frame::new(TrackNumber::ONE, Duration::from_secs(10), vec![7; 200]); 1000];
    let heap = measure(|| {
        let mut blocks = buffered(&frames);
        blocks.shrink_to_fit();
        let room = blocks.room();
        std::mem::forget((blocks, BlockBuffer::with_room_of(Duration::ZERO, &room)));
    });
    // Up to a quarter of what is copied is not worth another copy. The second buffer has the most room that is reserved.
    let limit = 1000 * 213 * 5 / 4 + 64 * 32 + (16 << 10) + 128 * 32;
    assert!((213_000..limit).contains(&heap.bytes_current), "{} bytes are kept, {limit} at most", heap.bytes_current);
}

#[test]
fn blocks_of_small_frames_cost_one_allocation_for_several() {
    let mut writer = writer();
    writer.start_segment();
    writer.start_cluster(Duration::ZERO).unwrap();
    let frames: Vec<Frame> =
        (0..1000).map(|nth| Frame::new(TrackNumber::ONE, Duration::from_millis(nth), vec![1; 200])).collect();
    let allocations = measure(|| drop(writer.blocks(&frames).unwrap()));
    assert!(allocations.count_total < 1000 / 5, "{allocations:?}");
}

#[test]
fn borrowed_payload_is_slices_of_the_pushed_bytes_and_is_not_allocated() {
    let stream = stream(9000);
    drop(stream.clone());
    let mut parser = Parser::new(Limits::default());
    parser.push(stream.clone());
    let mut frames = 0;
    let allocations = measure(|| {
        while let Some(event) = parser.next_event_ref().unwrap() {
            let EventRef::Frame(frame) = event else { continue };
            let at = usize::try_from(frame.position().payload.unwrap()).unwrap();
            assert!(frame.pieces().map(<[u8]>::as_ptr).eq([stream[at..].as_ptr()]));
            frames += 1;
        }
    });
    assert_eq!(frames, FRAMES);
    assert!(allocations.count_total * 50 < FRAMES, "{allocations:?}");
    assert_eq!(parser.held(), 0, "the last payload is dropped too");
}

#[test]
fn list_of_pieces_does_not_grow_if_some_always_wait() {
    let block: &'static [u8] = Vec::leak(simple_block(0, &[7; 600]));
    let mut parser = Parser::new(Limits::default());
    parser.push([head(), cluster(0)].concat().into());
    parser.next_event().unwrap();
    (0..5).for_each(|_| parser.push(Bytes::from_static(block)));
    for _ in 0..10_000 {
        parser.push(Bytes::from_static(block));
        assert!(parser.next_event().unwrap().is_some());
    }
    assert!(parser.held() < 20_000, "{} bytes held", parser.held());
}

#[test]
fn parsed_payload_is_slices_of_the_pushed_bytes() {
    let stream = stream(9000);
    for piece in [stream.len(), 1400, 64 << 10] {
        let mut parser = Parser::new(Limits::default());
        for from in (0..stream.len()).step_by(piece) {
            parser.push(stream.slice(from..stream.len().min(from + piece)));
            while let Some((event, position)) = parser.next_event_with_position().unwrap() {
                let Event::Frame(frame) = event else { continue };
                let mut expected = usize::try_from(position.payload.unwrap()).unwrap();
                for slice in &frame.data {
                    // The last piece of the stream may be so short that it is copied.
                    if frame.data.len() - 9000 + slice.len() >= 512 {
                        assert_eq!(slice.as_ptr(), stream[expected..].as_ptr());
                    }
                    expected += slice.len();
                }
            }
        }
        parser.finish().unwrap();
    }
}

#[test]
fn writing_costs_less_than_one_allocation_in_fifty_frames() {
    let mut writer = writer();
    writer.start_segment();
    writer.start_cluster(Duration::ZERO).unwrap();
    let payload = Bytes::from(vec![1; 9000]);
    // A Bytes allocates when it is shared for the first time.
    drop(payload.clone());
    let allocations = measure(|| {
        for nth in 0..FRAMES {
            let frame = Frame::new(TrackNumber::ONE, Duration::from_millis(nth), payload.clone());
            drop(writer.block(frame).unwrap());
        }
    });
    assert!(allocations.count_total * 50 < FRAMES, "{allocations:?}");
    assert!(allocations.bytes_total < FRAMES * 20, "{allocations:?}");
}

#[test]
fn parsing_costs_less_than_one_allocation_in_fifty_frames() {
    for size in [200, 9000] {
        let stream = stream(size);
        drop(stream.clone());
        let allocations = measure(|| {
            let mut parser = Parser::new(Limits::default());
            parser.push(stream.clone());
            assert_eq!(frames(&mut parser), FRAMES);
        });
        assert!(allocations.count_total * 50 < FRAMES, "{allocations:?}");
    }
}

#[test]
fn frame_in_pieces_costs_one_allocation() {
    let stream = stream(9000);
    drop(stream.clone());
    let allocations = measure(|| {
        let mut parser = Parser::new(Limits::default());
        for from in (0..stream.len()).step_by(1400) {
            parser.push(stream.slice(from..stream.len().min(from + 1400)));
            frames(&mut parser);
        }
    });
    assert!(allocations.count_total < FRAMES + FRAMES / 50, "{allocations:?}");
}

#[test]
fn cost_per_byte_does_not_depend_on_size_of_element() {
    let time = |size: usize| {
        let stream = Bytes::from([head(), cluster(0), simple_block(0, &vec![7; size])].concat());
        let runs = (0..5).map(|_| {
            let start = ThreadTime::now();
            let mut parser = Parser::new(Limits::default());
            for at in 0..stream.len() {
                parser.push(stream.slice(at..=at));
                frames(&mut parser);
            }
            start.elapsed()
        });
        runs.min().unwrap()
    };
    let (small, large) = (time(20_000), time(320_000));
    assert!(large < small * 48, "16 times the bytes took {small:?} and {large:?}: 256 times would be quadratic");
}

#[test]
fn allocated_memory_stays_within_worst_case_for_single_bytes() {
    let limits = Limits::default().with_block_bytes(100_000).with_tracks_bytes(1000).with_tags_bytes(1000);
    let blocks: Vec<u8> = (0..5).flat_map(|nth| simple_block(nth, &vec![7; 99_000])).collect();
    let stream: &'static [u8] = Vec::leak([head(), cluster(0), blocks].concat());
    let mut held = 0;
    let used = measure(|| {
        let mut parser = Parser::new(limits);
        for byte in stream.chunks(1) {
            parser.push(Bytes::from_static(byte));
            frames(&mut parser);
            held = held.max(parser.held());
        }
    });
    let (used, worst) = (usize::try_from(used.bytes_max).unwrap(), limits.worst_case());
    // A returned frame has a list of its own beside the waiting input; from then on it belongs to the caller.
    assert!(used <= worst && held <= worst, "allocated {used}, held {held}, at most {worst}");
    assert!(used <= held + held / 4 + 10_000, "allocated {used}, owned up to {held}");
}

/// Elements that make a parser wait for more input.
fn waiting() -> impl Strategy<Value = Vec<u8>> {
    let size = |id: Vec<u8>, size: u64| [id, (1u64 << 56 | size).to_be_bytes().to_vec()].concat();
    let ids = prop_oneof![
        Just(vec![0xA3]),
        Just(vec![0xA0]),
        Just(vec![0xEC]),
        Just(vec![0x12, 0x54, 0xC3, 0x67]),
        Just(vec![0x16, 0x54, 0xAE, 0x6B]),
        Just(vec![0x1F, 0x43, 0xB6, 0x75]),
    ];
    let laced = (0..=255u8).prop_map(|count| {
        let sizes = vec![0; count.into()];
        element(&[0xA3], &[&[0x81, 0, 0, 0x82, count][..], &sizes, &[1; 50]].concat())
    });
    prop_oneof![
        (ids, 0..3000u64).prop_map(move |(id, bytes)| size(id, bytes)),
        Just(simple_block(1, &[1; 1500])),
        Just(cluster(7)),
        laced,
        vec(any::<u8>(), 0..2000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn memory_stays_within_worst_case_for_any_input(
        parts in vec(waiting(), 0..20),
        sizes in vec(1..2000usize, 1..30),
    ) {
        let limits = Limits::default()
            .with_block_bytes(2000)
            .with_header_bytes(2000)
            .with_tracks_bytes(2000)
            .with_tags_bytes(2000)
            .with_tracks(5);
        let stream = Bytes::from([head(), cluster(0), parts.concat()].concat());
        let mut parser = Parser::new(limits);
        let mut from = 0;
        for size in sizes.iter().cycle() {
            let to = stream.len().min(from + size);
            parser.push(stream.slice(from..to));
            while let Ok(Some(_)) = parser.next_event() {}
            prop_assert!(parser.held() <= limits.worst_case(), "{} of {}", parser.held(), limits.worst_case());
            from = to;
            if from == stream.len() {
                break;
            }
        }
    }
}
