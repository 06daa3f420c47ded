//! Compares the writer with bytes captured from the producer SDK for C (PIC 1.2.0).

use std::time::Duration;

use bytes::Bytes;
use hex_literal::hex;
use kvs_mkv::{
    CodecId, Event, Frame, Limits, Parser, SegmentInfo, Tag, Track, TrackKind, TrackNumber, WriteError, Writer,
    WriterError,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn sdk_info(uid: [u8; 16], client: &str) -> SegmentInfo {
    SegmentInfo::new(uid).with_title("Kinesis Video SDK").with_app(format!("Kinesis Video SDK 1.1.0{client}"))
}

fn video() -> Track {
    let avcc = hex!("01 42C01E FF E1 0002 6742 01 0002 68CE");
    assert_eq!(avcc.len(), 15);
    let mut private = avcc.to_vec();
    private.extend_from_slice(&[0, 0]);
    Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264)
        .with_name("kvs_video_track")
        .with_codec_private(private)
}

fn audio() -> Track {
    Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::AAC)
        .with_name("kvs_audio_track")
        .with_audio(44_100.0, 2, None)
        .with_codec_private(hex!("1210").to_vec())
}

fn two_tracks() -> Writer {
    let info = sdk_info(hex!("0102030405060708090A0B0C0D0E0F10"), " client1");
    Writer::new(info, vec![video(), audio()]).unwrap()
}

/// A writer with an open cluster at time zero.
fn in_cluster() -> Writer {
    let mut writer = two_tracks();
    writer.start_segment();
    writer.start_cluster(MS(0)).unwrap();
    writer
}

#[test]
fn header_of_two_tracks_equals_sdk() {
    let mut expected = hex!(
        "1A45DFA3 A3 4286 81 01 42F7 81 01 42F2 81 04 42F3 81 08 4282 88 6D6174726F736B61 4287 81 02 4285 81 02"
        "18538067 FF"
        "1549A966 4077 73A4 90 0102030405060708090A0B0C0D0E0F10 2AD7B1 88 00000000000F4240"
        "7BA9 91 4B696E6573697320566964656F2053444B"
        "4D80 9F 4B696E6573697320566964656F2053444B20312E312E3020636C69656E7431"
        "5741 9F 4B696E6573697320566964656F2053444B20312E312E3020636C69656E7431"
        "1654AE6B 10000093"
        "AE 10000048 D7 81 01 73C5 88 0000000000000001 83 81 01 536E 8F 6B76735F766964656F5F747261636B"
        "86 8F 565F4D504547342F49534F2F415643 63A2 91"
    )
    .to_vec();
    expected.extend_from_slice(&video().codec_private);
    expected.extend_from_slice(&hex!(
        "AE 10000041 D7 81 02 73C5 88 0000000000000002 83 81 02 536E 8F 6B76735F617564696F5F747261636B"
        "86 85 415F414143 E1 1000000D B5 88 40E5888000000000 9F 81 02 63A2 82 1210"
    ));
    let header = two_tracks().start_segment();
    assert_eq!(header.len(), 325);
    assert_eq!(header, expected);
}

#[test]
fn header_of_g711_equals_sdk() {
    let mut track = Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::ACM)
        .with_name("kvs_audio_track")
        .with_audio(8000.0, 1, None)
        .with_codec_private(hex!("06000100401F0000E8030000010000000000").to_vec());
    track.uid = 7;
    let header = Writer::new(sdk_info([0x55; 16], ""), vec![track]).unwrap().start_segment();
    assert_eq!(header.len(), 251);
    assert_eq!(
        header[154..],
        hex!(
            "1654AE6B 10000059 AE 10000054 D7 81 01 73C5 88 0000000000000007 83 81 02"
            "536E 8F 6B76735F617564696F5F747261636B 86 88 415F4D532F41434D"
            "E1 1000000D B5 88 40BF400000000000 9F 81 01 63A2 92 06000100401F0000E8030000010000000000"
        )
    );
}

#[test]
fn picture_size_and_bit_depth_equal_sdk() {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(1280, 720);
    let audio = Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::ACM).with_audio(8000.0, 1, Some(16));
    let header = Writer::new(SegmentInfo::new([1; 16]), vec![video, audio]).unwrap().start_segment();
    let has = |part: &[u8]| header.windows(part.len()).any(|window| window == part);
    assert!(has(&hex!("E0 10000008 B0 82 0500 BA 82 02D0")));
    assert!(has(&hex!("E1 10000011 B5 88 40BF400000000000 9F 81 01 6264 81 10")));
}

#[test]
fn clusters_and_blocks_equal_sdk() {
    let mut writer = two_tracks();
    writer.start_segment();
    let payload = hex!("0000000165 0102030405");
    let frame = |track, at| Frame::new(track, at, payload.to_vec());

    // B.1: cluster at zero, key frame.
    let cluster = writer.start_cluster(MS(0)).unwrap();
    assert_eq!(cluster, hex!("1F43B675 FF E7 88 0000000000000000 A7 81 00")[..]);
    let block = writer.block(frame(TrackNumber::ONE, MS(0)).with_keyframe(true)).unwrap();
    assert_eq!(block.into_bytes(), hex!("A3 010000000000000E 81 0000 80 00000001650102030405")[..]);

    // B.2: 40.1234 ms is rounded down to 40.
    let block = writer.block(frame(TrackNumber::ONE, Duration::from_nanos(40_123_400))).unwrap();
    assert_eq!(block.into_bytes()[..13], hex!("A3 010000000000000E 81 0028 00"));

    // B.3: audio, invisible and discardable.
    let mut sound = frame(TrackNumber::TWO, MS(40));
    (sound.invisible, sound.discardable) = (true, true);
    let block = writer.block(sound).unwrap();
    assert_eq!(block.into_bytes()[..13], hex!("A3 010000000000000E 82 0028 09"));

    // B.4: the next fragment.
    let cluster = writer.start_cluster(MS(2040)).unwrap();
    assert_eq!(cluster, hex!("1F43B675 FF E7 88 00000000000007F8 A7 81 00")[..]);
    let block = writer.block(frame(TrackNumber::ONE, MS(2040)).with_keyframe(true)).unwrap();
    assert_eq!(block.into_bytes()[..13], hex!("A3 010000000000000E 81 0000 80"));
}

#[test]
fn one_tag_equals_sdk() {
    let expected = hex!(
        "1254C367 0100000000000031 7373 0100000000000027 67C8 010000000000001D"
        "45A3 0100000000000004 6E616D65 4487 0100000000000005 76616C7565"
    );
    assert_eq!(in_cluster().tags(&[Tag::new("name", "value")]).unwrap(), expected[..]);
}

#[test]
fn several_tags_are_siblings_in_one_tag() {
    let expected = hex!(
        "1254C367 010000000000004C 7373 0100000000000042"
        "67C8 0100000000000016 45A3 0100000000000001 61 4487 0100000000000001 31"
        "67C8 0100000000000018 45A3 0100000000000002 6262 4487 0100000000000002 3232"
    );
    assert_eq!(in_cluster().tags(&[Tag::new("a", "1"), Tag::new("bb", "22")]).unwrap(), expected[..]);
}

#[test]
fn end_of_fragment_mark_equals_sdk() {
    let expected = hex!(
        "1254C367 0100000000000048 7373 010000000000003E 67C8 0100000000000034"
        "45A3 0100000000000020 4157535F4B494E45534953564944454F5F454E445F4F465F465241474D454E54"
        "4487 0100000000000000"
    );
    assert_eq!(in_cluster().end_of_fragment(), expected[..]);
    assert_eq!(expected.len(), 84);
}

#[test]
fn rejects_elements_before_their_parent() {
    let mut writer = two_tracks();
    let frame = Frame::new(TrackNumber::ONE, MS(0), vec![1]);
    assert_eq!(writer.tags(&[Tag::new("n", "v")]), Err(WriteError::NoSegment));
    assert_eq!(writer.start_cluster(MS(0)), Err(WriteError::NoSegment));
    assert_eq!(writer.block(frame.clone()), Err(WriteError::NoCluster));
    writer.start_segment();
    assert_eq!(writer.block(frame.clone()), Err(WriteError::NoCluster));
    assert_eq!(writer.tags(&[]), Err(WriteError::NoTags));
    writer.start_cluster(MS(0)).unwrap();
    writer.tags(&[Tag::new("n", "v")]).unwrap();
    assert_eq!(writer.block(frame.clone()), Err(WriteError::NoCluster));
    writer.start_cluster(MS(1)).unwrap();
    writer.end_of_fragment();
    assert_eq!(writer.block(frame), Err(WriteError::NoCluster));
}

#[test]
fn accepts_whole_signed_range_of_relative_timecodes() {
    let mut writer = two_tracks();
    writer.start_segment();
    writer.start_cluster(MS(100_000)).unwrap();
    let relative = |writer: &mut Writer, at| {
        let block = writer.block(Frame::new(TrackNumber::ONE, MS(at), vec![1]))?.into_bytes();
        Ok(i16::from_be_bytes([block[10], block[11]]))
    };
    assert_eq!(relative(&mut writer, 100_000 - 32_768), Ok(-32_768));
    assert_eq!(relative(&mut writer, 100_000 + 32_767), Ok(32_767));
    let apart = |units| Err(WriteError::TooFarFromCluster { units, cluster: 100_000 });
    assert_eq!(relative(&mut writer, 100_000 - 32_769), apart(67_231));
    assert_eq!(relative(&mut writer, 100_000 + 32_768), apart(132_768));
}

#[test]
fn cluster_times_must_increase_within_a_segment() {
    let mut writer = in_cluster();
    assert_eq!(writer.start_cluster(MS(0)), Err(WriteError::ClusterNotLater { units: 0, previous: 0 }));
    writer.start_cluster(MS(7)).unwrap();
    writer.tags(&[Tag::new("n", "v")]).unwrap();
    assert_eq!(writer.start_cluster(MS(7)), Err(WriteError::ClusterNotLater { units: 7, previous: 7 }));
    assert_eq!(writer.start_segment().len(), 325);
    writer.start_cluster(MS(0)).unwrap();
    let time = Duration::from_secs(u64::MAX);
    assert_eq!(writer.start_cluster(time), Err(WriteError::TimeTooLarge { time }));
}

#[test]
fn rejects_frames_of_undeclared_tracks() {
    let frame = Frame::new(TrackNumber::THREE, MS(0), vec![1]);
    assert_eq!(in_cluster().block(frame), Err(WriteError::UnknownTrack { track: TrackNumber::THREE }));
}

#[test]
fn rejects_what_the_layout_cannot_express() {
    let info = || SegmentInfo::new([1; 16]);
    let new = |info, track| Writer::new(info, vec![track]).map(|_| ()).unwrap_err();
    let track = || Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    assert_eq!(new(SegmentInfo::new([0; 16]), track()), WriterError::ZeroUid);
    for scale in [Duration::ZERO, Duration::from_nanos(1_000_000_001)] {
        assert_eq!(new(info().with_timecode_scale(scale), track()), WriterError::TimecodeScale { scale });
    }
    assert_eq!(
        new(info().with_title("t".repeat(127)), track()),
        WriterError::Text { field: "title", length: 127, limit: 126 }
    );
    assert!(Writer::new(info().with_app("a".repeat(126)), vec![track()]).is_ok());
    assert_eq!(Writer::new(info(), vec![]).map(|_| ()), Err(WriterError::NoTracks));
    assert_eq!(
        Writer::new(info(), vec![track(), track()]).map(|_| ()),
        Err(WriterError::DuplicateTrack { number: TrackNumber::ONE })
    );
    assert!(matches!(new(info(), track().with_video(65_536, 1)), WriterError::TrackSetting { field: "width", .. }));
    assert!(matches!(new(info(), track().with_audio(f64::NAN, 1, None)), WriterError::SamplingFrequency { .. }));
    let far = Track::new(TrackNumber::new(127).unwrap(), TrackKind::Video, CodecId::H264);
    assert!(matches!(new(info(), far), WriterError::TrackNumber { .. }));
}

#[test]
fn parses_padded_strings_of_embedded_sdk() {
    // The embedded C SDK writes texts of fixed width, padded with NULs.
    let mut stream = hex!(
        "1A45DFA3 8C 4282 89 6D6174726F736B6100" "18538067 01FFFFFFFFFFFFFF"
        "1549A966 8F 7BA9 85 4B56530000 5741 84 41500000"
        "1654AE6B 92 AE 90 D7 81 01 83 81 01 86 88 565F4D4A50454700"
    )
    .to_vec();
    stream.extend_from_slice(&hex!("1F43B675 FF E7 81 05 A3 85 81 0001 80 EE"));
    let mut parser = Parser::new(Limits::default());
    parser.push(Bytes::from(stream));
    let Ok(Some(Event::Segment(info))) = parser.next_event() else { panic!("a segment comes first") };
    assert_eq!((info.title.as_str(), info.app.as_str()), ("KVS", "AP"));
    let Ok(Some(Event::Tracks(tracks))) = parser.next_event() else { panic!("then the tracks") };
    assert_eq!(tracks[0].codec, CodecId::MJPEG);
    assert_eq!(parser.next_event(), Ok(Some(Event::Cluster { at: MS(5) })));
    let frame = Frame::new(TrackNumber::ONE, MS(6), vec![0xEE]).with_keyframe(true);
    assert_eq!(parser.next_event(), Ok(Some(Event::Frame(frame))));
    assert_eq!(parser.next_event(), Ok(None));
    assert_eq!(parser.finish(), Ok(()));
}
