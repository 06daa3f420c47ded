//! What is written is parsed back, in any pieces.

use crate::common;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{
    Chunks, CodecId, Cropping, DisplaySize, DisplayUnit, Event, Frame, Limits, Pose, SegmentInfo, Tag, Track,
    TrackKind, TrackNumber, VideoSettings, Writer,
};
use proptest::collection::vec;
use proptest::prelude::*;

use common::{parse_cut, parse_whole};

/// A call of the writer after the header.
#[derive(Clone, Debug)]
enum Act {
    Cluster { later: u64 },
    Block { track: bool, relative: i16, flags: [bool; 3], pieces: Vec<Vec<u8>> },
    Tags(Vec<(String, String)>),
    EndOfFragment,
    Segment,
}

fn act() -> impl Strategy<Value = Act> {
    let pieces = vec(vec(any::<u8>(), 0..300), 0..4);
    let text = "[a-zA-Z0-9_äß€]{0,20}";
    prop_oneof![
        3 => (1..40_000u64).prop_map(|later| Act::Cluster { later }),
        9 => (any::<bool>(), any::<i16>(), any::<[bool; 3]>(), pieces)
            .prop_map(|(track, relative, flags, pieces)| Act::Block { track, relative, flags, pieces }),
        2 => vec((text, text), 1..4).prop_map(Act::Tags),
        1 => Just(Act::EndOfFragment),
        1 => Just(Act::Segment),
    ]
}

fn info() -> impl Strategy<Value = SegmentInfo> {
    (any::<[u8; 16]>(), 1..=1_000_000_000u64, "[a-z ]{0,126}", "[a-z]{0,126}").prop_map(
        |(mut uid, scale, title, app)| {
            uid[0] |= 1;
            SegmentInfo::new(uid).with_timecode_scale(Duration::from_nanos(scale)).with_title(title).with_app(app)
        },
    )
}

fn geometry() -> impl Strategy<Value = VideoSettings> {
    let display = (1..=u64::MAX, 1..=u64::MAX, any::<u64>());
    let angles = (-180.0..=180.0, -90.0..=90.0, -180.0..=180.0);
    (any::<(u16, u16)>(), any::<[u8; 4]>(), proptest::option::of(display), proptest::option::of(angles)).prop_map(
        |((width, height), crop, display, angles)| {
            let [left, right, top, bottom] = crop.map(u64::from);
            let mut video = VideoSettings::new(width.into(), height.into());
            if left + right < video.width && top + bottom < video.height {
                video = video.with_cropping(Cropping { left, right, top, bottom });
            }
            video.display = display.map(|(width, height, unit)| {
                let mut display = DisplaySize::pixels(width, height);
                display.unit = DisplayUnit::from_number(unit);
                display
            });
            let mut pose = Pose::UPRIGHT;
            (pose.yaw, pose.pitch, pose.roll) = angles.unwrap_or_default();
            video.with_pose(pose)
        },
    )
}

fn tracks() -> impl Strategy<Value = Vec<Track>> {
    (geometry(), any::<(u8, u32)>(), vec(any::<u8>(), 0..300), 2..127u64).prop_map(
        |(geometry, (c, duration), private, number)| {
            let mut video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H265).with_codec_private(private);
            video.video = Some(geometry);
            video.default_duration = Some(Duration::from_nanos(u64::from(duration) + 1));
            let number = TrackNumber::new(number).unwrap();
            let audio = Track::new(number, TrackKind::Other(33), CodecId::from("A_ODD".to_owned()))
                .with_name("ears")
                .with_audio(f64::from(duration) + 0.5, c.into(), Some(c.into()));
            vec![video, audio]
        },
    )
}

/// Performs all legal calls and returns the stream with the events that a parser must return.
fn write(info: &SegmentInfo, tracks: &[Track], acts: Vec<Act>) -> (Bytes, Vec<Event>) {
    let mut writer = Writer::new(info.clone(), tracks.to_vec()).unwrap();
    let header = [Event::Segment(info.clone()), Event::Tracks(tracks.to_vec())];
    let mut stream = Chunks::from(writer.start_segment());
    let mut events = header.to_vec();
    let (mut open, mut units) = (false, 0);
    let unit = |units: u64| info.timecode_scale.saturating_mul(u32::try_from(units).unwrap());
    for act in acts {
        let ends = !matches!(act, Act::Block { .. });
        if ends && std::mem::take(&mut open) {
            events.push(Event::ClusterEnd);
        }
        match act {
            Act::Cluster { later } => {
                units += later;
                stream.push(writer.start_cluster(unit(units)).unwrap());
                events.push(Event::Cluster { at: unit(units) });
                open = true;
            }
            Act::Block { track, relative, flags, pieces } => {
                let Some(at) = units.checked_add_signed(relative.into()) else { continue };
                let number = if track { tracks[0].number } else { tracks[1].number };
                let data: Chunks = pieces.into_iter().map(Bytes::from).collect();
                let mut frame = Frame::new(number, unit(at), data);
                [frame.keyframe, frame.invisible, frame.discardable] = flags;
                match writer.block(frame.clone()) {
                    Ok(block) => {
                        assert!(open, "a block needs an open cluster");
                        stream.append(block);
                        events.push(Event::Frame(frame));
                    }
                    Err(error) => assert!(!open, "{error}"),
                }
            }
            Act::Tags(list) => {
                let list: Vec<_> = list.into_iter().map(|(name, value)| Tag::new(name, value)).collect();
                stream.push(writer.tags(&list).unwrap());
                events.push(Event::Tags(list));
            }
            Act::EndOfFragment => {
                stream.push(writer.end_of_fragment());
                events.push(Event::Tags(vec![Tag::new("AWS_KINESISVIDEO_END_OF_FRAGMENT", "")]));
            }
            Act::Segment => {
                stream.push(writer.start_segment());
                events.extend(header.clone());
                units = 0;
            }
        }
    }
    // The event of a cluster comes with its first block or its end, so the parser does not report one that just started.
    if matches!(events.last(), Some(Event::Cluster { .. })) {
        events.pop();
    }
    (stream.into_bytes(), events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn written_streams_parse_back(info in info(), tracks in tracks(), acts in vec(act(), 0..40)) {
        let (stream, expected) = write(&info, &tracks, acts);
        let (found, end) = parse_whole(&stream);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(found.into_iter().map(|(event, ..)| event).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn pieces_do_not_change_events_and_positions(
        info in info(),
        tracks in tracks(),
        acts in vec(act(), 0..20),
        mut cuts in vec(0..9000usize, 0..30),
        broken in proptest::option::of((0..9000usize, any::<u8>())),
    ) {
        let (stream, _) = write(&info, &tracks, acts);
        let mut stream = stream.to_vec();
        if let Some((at, byte)) = broken {
            let at = at % stream.len();
            stream[at] = byte;
        }
        let stream = Bytes::from(stream);
        cuts.sort_unstable();
        let whole = parse_whole(&stream);
        prop_assert_eq!(&parse_cut(&stream, &cuts, Limits::default()), &whole);
        let every: Vec<usize> = (1..stream.len()).collect();
        prop_assert_eq!(&parse_cut(&stream, &every, Limits::default()), &whole);
    }

    #[test]
    fn positions_point_at_elements_and_payloads(info in info(), tracks in tracks(), acts in vec(act(), 0..30)) {
        let (stream, _) = write(&info, &tracks, acts);
        let mut covered = 0;
        for (event, position) in parse_whole(&stream).0 {
            let span = position.span;
            let (from, to) = (usize::try_from(span.start).unwrap(), usize::try_from(span.end).unwrap());
            prop_assert_eq!(from, covered, "this layout has no gaps");
            covered = to;
            prop_assert_eq!(position.payload.is_some(), matches!(event, Event::Frame(_)));
            let first = stream[from..to].first().copied();
            match event {
                Event::Segment(_) => prop_assert_eq!(first, Some(0x1A)),
                Event::Tracks(_) => prop_assert_eq!(first, Some(0x16)),
                Event::Tags(_) => prop_assert_eq!(first, Some(0x12)),
                Event::Cluster { .. } => prop_assert_eq!(to - from, 18),
                Event::ClusterEnd => prop_assert_eq!(from, to),
                Event::Frame(frame) => {
                    let at = usize::try_from(position.payload.unwrap()).unwrap();
                    prop_assert_eq!(at, from + 13);
                    prop_assert_eq!(frame.data.into_bytes(), &stream[at..to]);
                }
                other => prop_assert!(false, "unexpected {other:?}"),
            }
        }
        let unreported = stream.len() - covered;
        prop_assert!(unreported == 0 || unreported == 18, "{unreported} bytes: at most a cluster that just started");
    }
}
