//! What feeds do that is not one whole frame per put: parameter sets apart, several ADTS frames at once, payloads that are not
//! what the track says, and tracks that lie far apart.

use crate::support;
use std::time::Duration;

use kvs_mkv::codec::aac::{AdtsError, AdtsHeader};
use kvs_mkv::codec::nal::{self, NalError};
use kvs_mkv::{CodecId, Frame, Track, TrackKind};
use kvs_producer::{Event, LongGop, LossReason, MissingTrack, Overflow, ProducerConfig, Refusal, TimeJump, Timestamps};
use support::*;

/// 120 pictures at 25 per second; 128x96, then 64x48 from the 61st on. Both encoders wrote parameter sets before key frames.
const SIZE_CHANGE: &[u8] = include_bytes!("../media/size_change.h264");
/// AAC LC at 48 kHz.
const TONE: &[u8] = include_bytes!("../media/tone.aac");

fn h264() -> Track {
    Track::new(V, TrackKind::Video, CodecId::H264)
}

fn aac() -> Track {
    Track::new(A, TrackKind::Audio, CodecId::AAC)
}

fn detecting(tracks: Vec<Track>) -> ProducerConfig {
    ProducerConfig::new("cam", tracks).seed(7)
}

fn is_slice(unit: &[u8]) -> bool {
    matches!(unit[0] & 0x1f, 1 | 5)
}

fn is_key(units: &[&[u8]]) -> bool {
    units.iter().any(|unit| unit[0] & 0x1f == 5)
}

/// Puts of some NAL units each, with the number of the picture that they belong to.
fn puts(goes_alone: fn(&[u8]) -> bool) -> Vec<(u64, Vec<&'static [u8]>)> {
    let (mut puts, mut open, mut picture) = (Vec::new(), Vec::new(), 0);
    for unit in nal::annex_b(SIZE_CHANGE).unwrap() {
        open.push(unit);
        if goes_alone(unit) {
            puts.push((picture, std::mem::take(&mut open)));
        }
        picture += u64::from(is_slice(unit));
    }
    assert!(open.is_empty());
    puts
}

fn joined(units: &[&[u8]], code: &[u8]) -> Vec<u8> {
    units.iter().flat_map(|unit| [code, unit].concat()).collect()
}

/// What the service stored: session, time and bytes of each frame, and the codec private data of each session.
type Stored = (Vec<(u64, u64, bool, Vec<u8>)>, Vec<Vec<u8>>);

fn stored(puts: Vec<(u64, Vec<&[u8]>)>, code: &[u8], config_time: fn(u64) -> u64) -> Stored {
    let mut service = Service::new(detecting(vec![h264()]));
    for (picture, units) in puts {
        let has_picture = units.iter().any(|unit| is_slice(unit));
        let ms = if has_picture { picture * 40 } else { config_time(picture * 40) };
        service.put(Frame::new(V, at(ms), joined(&units, code)).with_keyframe(is_key(&units)));
    }
    service.finish(Duration::from_secs(10));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.submitted.frames, totals.persisted), (120, totals.submitted));
    let frames = service.stored.iter().flat_map(|seen| seen.frames.iter().map(move |frame| (seen.session, frame)));
    let ms = |frame: &Frame| u64::try_from((frame.pts - EPOCH).as_millis()).unwrap();
    let frames =
        frames.map(|(session, frame)| (session, ms(frame), frame.keyframe, frame.data.clone().into_bytes().to_vec()));
    let headers = service.headers.iter().map(|tracks| tracks[0].codec_private.to_vec()).collect();
    (frames.collect(), headers)
}

#[test]
fn parameter_sets_apart_from_their_picture_are_stored_with_it() {
    let whole = stored(puts(is_slice), b"\0\0\0\x01", |ms| ms);
    let sizes: Vec<_> = whole
        .1
        .iter()
        .map(|avcc| {
            let sps = kvs_mkv::codec::h264::ParameterSets::from_avcc(avcc).unwrap().0.sps().unwrap();
            (sps.width, sps.height)
        })
        .collect();
    assert_eq!((sizes, whole.0.len()), (vec![(128, 96), (64, 48)], 120), "a session for each size");
    for code in [&b"\0\0\0\x01"[..], b"\0\0\x01"] {
        assert!(stored(puts(|_| true), code, |ms| ms) == whole, "NAL by NAL");
        // Configuration buffers often have time zero.
        assert!(stored(puts(|unit| is_slice(unit) || unit[0] & 0x1f == 8), code, |_| 0) == whole, "sets apart");
    }
}

#[test]
fn parameter_sets_without_a_picture_at_the_end_are_reported() {
    let mut service = Service::new(detecting(vec![h264()]));
    for (picture, units) in puts(is_slice).into_iter().take(3) {
        service.put(Frame::new(V, at(picture * 40), joined(&units, b"\0\0\0\x01")).with_keyframe(is_key(&units)));
    }
    service.put(Frame::new(V, at(120), b"\0\0\0\x01\x09\xf0".to_vec()));
    assert_eq!(service.producer.stats().totals.submitted.frames, 3);
    service.finish(Duration::from_secs(10));
    let lost = service.events.iter().find_map(|event| match event {
        Event::Lost(loss) => Some((loss.reason.clone(), loss.span.frames, loss.span.bytes)),
        _ => None,
    });
    assert_eq!(lost, Some((LossReason::NoPicture, 0, 6)));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted.frames, totals.lost.frames, totals.lost.bytes), (3, 0, 6));
}

#[test]
fn a_refused_picture_leaves_what_was_held() {
    let mut service = Service::new(detecting(vec![h264()]).buffer_bytes(64 << 10));
    let mut puts = puts(|unit| is_slice(unit) || unit[0] & 0x1f == 8).into_iter();
    let mut next = || joined(&puts.next().unwrap().1, b"\0\0\0\x01");
    service.put(Frame::new(V, at(0), next()));
    let key = Frame::new(V, at(0), next()).with_keyframe(true);
    let huge = Frame::new(V, at(0), [&key.data.clone().into_bytes()[..], &[0x55; 65_000]].concat()).with_keyframe(true);
    let refused = service.producer.put_frame(huge.clone(), service.now).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TooLarge { .. }), "{refused}");
    assert_eq!(refused.into_frame(), huge);
    service.put(key);
    service.finish(Duration::from_secs(10));
    assert_eq!(service.stored[0].frames.len(), 1);
}

#[test]
fn a_refused_first_frame_leaves_no_trace_in_the_times() {
    let mut service = Service::new(detecting(vec![h264()]).timestamps(Timestamps::StartAt(start())));
    let (_, units) = puts(is_slice).remove(0);
    let slice = *units.iter().find(|unit| is_slice(unit)).unwrap();
    let put = |ms, units: &[&[u8]]| {
        Frame::new(V, Duration::from_millis(ms), joined(units, b"\0\0\0\x01")).with_keyframe(true)
    };
    let refused = service.producer.put_frame(put(5000, &[slice]), service.now).unwrap_err();
    assert_eq!(refused.refusal, Refusal::MissingCodecPrivate { track: V });
    service.put(put(7000, &units));
    service.finish(Duration::from_secs(10));
    assert_eq!(service.times(0), [0], "the first accepted frame is the one that was recorded at the start");
}

#[test]
fn a_payload_counts_as_it_is_stored() {
    let limit = 64 << 10;
    let mut service = Service::new(detecting(vec![h264()]).buffer_bytes(limit));
    let (_, units) = puts(is_slice).remove(0);
    // Each of these units takes five bytes with a start code, and six with a length.
    let many = |count| [joined(&units, b"\0\0\x01"), joined(&vec![&b"\x41\x9a"[..]; count], b"\0\0\x01")].concat();
    let frame = |count| Frame::new(V, at(0), many(count)).with_keyframe(true);
    let whole = frame(12_000);
    assert!(whole.data.len() < limit);
    let refused = service.producer.put_frame(whole, service.now).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TooLarge { bytes, .. } if bytes > limit), "{refused}");
    service.down = true;
    service.cut();
    let accepted = (0..4).filter(|_| service.producer.put_frame(frame(4000), service.now).is_ok()).count();
    assert!(accepted >= 2 && service.producer.stats().buffered_bytes_peak <= limit, "{accepted} accepted");
}

fn adts_frames() -> Vec<&'static [u8]> {
    let (mut rest, mut frames) = (TONE, Vec::new());
    while !rest.is_empty() {
        let (frame, more) = rest.split_at(AdtsHeader::parse(rest).unwrap().frame_len);
        frames.push(frame);
        rest = more;
    }
    frames
}

#[test]
fn adts_frames_in_one_put_are_stored_at_their_times() {
    let frames = adts_frames();
    let times = |together: usize| {
        let mut service = Service::new(detecting(vec![Track::new(V, TrackKind::Audio, CodecId::AAC)]));
        for (nth, group) in frames.chunks(together).enumerate() {
            let pts = EPOCH + Duration::from_nanos((nth * together) as u64 * 1024 * 1_000_000_000 / 48_000);
            service.put(Frame::new(V, pts, group.concat()));
        }
        service.finish(Duration::from_secs(10));
        let totals = service.producer.stats().totals;
        assert_eq!((totals.persisted.frames, totals.lost.frames), (frames.len() as u64, 0));
        assert_eq!(service.headers[0][0].codec_private[..], [0x11, 0x88]);
        let stored = service.stored.iter().flat_map(|seen| &seen.frames);
        stored.map(|frame| (frame.pts, frame.data.clone().into_bytes())).collect::<Vec<_>>()
    };
    let alone = times(1);
    assert!(alone.iter().zip(&frames).all(|(stored, frame)| stored.1 == frame[7..]), "without headers");
    for together in [2, 14, 500] {
        let stored = times(together);
        // Times are whole milliseconds, rounded once.
        let differ = stored
            .iter()
            .zip(&alone)
            .position(|(one, other)| one.1 != other.1 || one.0.abs_diff(other.0) > Duration::from_millis(1));
        assert_eq!((stored.len(), differ), (alone.len(), None), "{together} together");
    }
}

#[test]
fn a_truncated_adts_frame_is_refused_with_its_position() {
    let frames = adts_frames();
    let mut service = Service::new(detecting(vec![Track::new(V, TrackKind::Audio, CodecId::AAC)]));
    let (whole, cut) = (frames[..3].concat(), frames[3].len() - 5);
    let data = [&whole[..], &frames[3][..cut]].concat();
    let frame = Frame::new(V, at(0), data);
    let refused = service.producer.put_frame(frame.clone(), service.now).unwrap_err();
    let error = AdtsError::Truncated { at: whole.len(), needed: frames[3].len(), left: cut };
    assert_eq!(refused.refusal, Refusal::InvalidAdts { track: V, error });
    assert_eq!(refused.into_frame(), frame, "nothing of it was taken");
    service.put(Frame::new(V, at(0), whole));
    service.finish(Duration::from_secs(10));
    assert_eq!(service.producer.stats().totals.submitted.frames, 3);
}

#[test]
fn payloads_that_are_not_what_the_track_says_are_refused_with_the_reason() {
    let sets = kvs_mkv::codec::h264::ParameterSets::from_annex_b(&SIZE_CHANGE.into()).unwrap();
    let track = kvs_mkv::codec::h264::track(V, &sets).unwrap();
    let mut service = Service::new(detecting(vec![track, aac()]));
    let mut refusal = |track, data: &[u8]| {
        let refused = service.producer.put_frame(Frame::new(track, at(0), data.to_vec()), service.now).unwrap_err();
        (refused.refusal, std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default())
    };
    assert_eq!(refusal(V, b"").0, Refusal::EmptyPayload);
    let beyond = NalError::Truncated { at: 6, declared: 0x0900, left: 1 };
    assert_eq!(refusal(V, b"\0\0\0\x02\x65\x88\0\0\x09\0\x41").0, Refusal::InvalidNalUnits { track: V, error: beyond });
    let (_, source) = refusal(V, b"\0\0\0\x08\0\0\0\x01\x65\x88\x84\0");
    assert_eq!(source, "what follows the NAL unit length at offset 0 begins with 0x0000, which is no NAL unit header");
    assert!(matches!(refusal(V, b"\0\0\0\x01").0, Refusal::InvalidNalUnits { .. }));
    assert!(matches!(refusal(V, b"no video at all").0, Refusal::InvalidNalUnits { .. }));
    let mp3 = refusal(A, b"\xff\xfb\x90\x64\0\0\0\0\0");
    assert_eq!(mp3.0, Refusal::InvalidAdts { track: A, error: AdtsError::NoSync { at: 0 } });
    service.finish(Duration::from_secs(1));
    assert_eq!(service.producer.stats().totals.submitted.frames, 0);
}

/// Sound every 20 ms and pictures every 100 ms, each while its ranges last; key frames every second and at the start of a range.
fn recording(pictures: &[(u64, u64)], sound: (u64, u64)) -> Vec<Frame> {
    let pictures = pictures
        .iter()
        .flat_map(|&(from, to)| (from..to).step_by(100).map(move |ms| frame(V, ms, (ms - from).is_multiple_of(1000))));
    let mut frames: Vec<Frame> = pictures.collect();
    frames.extend((sound.0..sound.1).step_by(20).map(|ms| frame(A, ms, false)));
    frames.sort_by_key(|frame| (frame.pts, frame.track));
    frames
}

/// Everything is stored, and no fragment breaks a rule of the service.
fn assert_whole(config: ProducerConfig, frames: Vec<Frame>) -> Service {
    let mut service = Service::new(config);
    let count = frames.len();
    for frame in frames {
        service.put(frame);
    }
    service.finish(Duration::from_secs(10));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted.frames, totals.lost.frames), (count as u64, 0), "{:?}", service.events);
    for seen in &service.stored {
        let times: Vec<Duration> = seen.frames.iter().map(|frame| frame.pts).collect();
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*last - *first <= Duration::from_secs(20), "{first:?} to {last:?}");
        let mut tracks: Vec<_> = seen.frames.iter().map(|frame| frame.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        assert_eq!(tracks.len(), seen.tracks, "each declared track has a frame");
    }
    service
}

fn recorded() -> ProducerConfig {
    two_tracks().timestamps(Timestamps::StartAt(start()))
}

fn two_tracks() -> ProducerConfig {
    ProducerConfig::new("cam", vec![video(), audio()]).seed(7).bitstream_mode(kvs_producer::BitstreamMode::Passthrough)
}

#[test]
fn sound_goes_on_while_the_picture_stands_still() {
    for pause in [12_000, 35_000] {
        let pictures = [(0, 1100), (1100 + pause, 4000 + pause)];
        for config in [recorded(), two_tracks().overflow(Overflow::Refuse)] {
            assert_whole(config, recording(&pictures, (0, 4000 + pause)));
        }
    }
}

#[test]
fn sound_goes_on_in_a_live_stream_too() {
    let mut service = Service::new(two_tracks());
    let mut last = EPOCH;
    for frame in recording(&[(0, 1100), (13_000, 16_000)], (0, 16_000)) {
        service.pass(frame.pts - last);
        last = frame.pts;
        service.put(frame);
    }
    service.finish(Duration::from_secs(10));
    assert_eq!(service.producer.stats().totals.lost.frames, 0, "{:?}", service.events);
}

#[test]
fn sound_that_ends_long_before_the_first_picture_is_sent_without_one() {
    let service = assert_whole(recorded(), recording(&[(40_000, 43_000)], (0, 3000)));
    let tracks: Vec<usize> = service.stored.iter().map(|seen| seen.tracks).collect();
    assert_eq!((tracks, service.sessions), (vec![1, 1, 1], 2), "sound of two seconds and of one, then pictures");
    assert_whole(recorded().missing_track(MissingTrack::Drop), recording(&[(40_000, 43_000)], (0, 43_000)));
}

#[test]
fn sound_before_the_first_picture_is_sent() {
    // The priming of an encoder: the fragment of the first picture has it, at its own time.
    for before in [20, 500, 1000] {
        let service = assert_whole(recorded(), recording(&[(before, 6000)], (0, 6000)));
        assert_eq!((service.stored[0].timecode, service.sessions), (at(before).as_millis() as u64, 1));
        assert_eq!(service.times(0).into_iter().min(), Some(0));
    }
    // Other sound has a session without pictures, up to the first one.
    for (begins, ends) in [(3000, 9000), (3000, 1000), (4900, 9000), (5100, 9000), (9900, 3000), (9900, 12_000)] {
        let service = assert_whole(recorded(), recording(&[(begins, 12_000)], (0, ends)));
        assert_eq!((service.stored[0].tracks, service.stored[0].timecode), (1, at(0).as_millis() as u64));
        assert!(service.sessions <= 3, "{} sessions", service.sessions);
    }
}

#[test]
fn pictures_that_end_long_before_the_sound_and_a_pause_of_both() {
    assert_whole(recorded(), recording(&[(0, 3000)], (0, 60_000)));
    assert_whole(recorded(), recording(&[(0, 3000)], (40_000, 43_000)));
    let mut paused = recording(&[(0, 3000)], (0, 3000));
    // After the pause, sound comes first.
    paused.extend(recording(&[(60_040, 63_000)], (60_000, 63_000)));
    assert_whole(recorded(), paused);
}

#[test]
fn an_implausible_time_of_a_live_track_is_refused() {
    let mut service = Service::new(two_tracks());
    service.play(0, 400, 2000);
    let far = service.producer.put_frame(frame(A, 20_000, false), service.now).unwrap_err();
    assert!(matches!(far.refusal, Refusal::TrackDrift { .. }), "{far}");
}

#[test]
fn another_sampling_rate_of_sound_beside_video_starts_a_session_at_once() {
    let mut service = Service::new(detecting(vec![h264(), aac()]));
    // The rate index is in bits 2 to 5 of the third byte: 48 kHz is 3, 44.1 kHz is 4.
    let other: Vec<Vec<u8>> = adts_frames()
        .iter()
        .map(|frame| {
            let mut frame = frame.to_vec();
            frame[2] = frame[2] & 0b1100_0011 | 4 << 2;
            frame
        })
        .collect();
    let pictures = puts(is_slice);
    for ms in (0..1900_u64).step_by(20) {
        if let (true, Some((_, units))) = (ms.is_multiple_of(40), pictures.get((ms / 40) as usize)) {
            service.put(Frame::new(V, at(ms), joined(units, b"\0\0\0\x01")).with_keyframe(is_key(units)));
        }
        let nth = (ms / 20) as usize;
        let sound = if ms < 600 { adts_frames()[nth].to_vec() } else { other[nth].clone() };
        service.put(Frame::new(A, at(ms), sound));
    }
    service.finish(Duration::from_secs(10));
    assert_eq!(service.producer.stats().totals.lost.frames, 0, "{:?}", service.events);
    for seen in &service.stored {
        let header = &service.headers[usize::try_from(seen.session).unwrap() - 1];
        for frame in seen.frames.iter().filter(|frame| frame.track == A) {
            let ms = (frame.pts - EPOCH).as_millis();
            let rate = header.iter().find(|track| track.number == A).and_then(|track| track.audio.as_ref()).unwrap();
            let expected = if ms < 600 { 48_000.0 } else { 44_100.0 };
            assert_eq!(rate.sampling_frequency, expected, "the sound at {ms} ms");
        }
    }
}

/// The clock was set back by less than what counts as a jump, while the source was silent, and pictures come in the middle of a
/// group: no sound of the time from the next key frame on is lost.
#[test]
fn a_clock_set_back_in_a_gap_costs_no_sound_from_the_next_key_frame_on() {
    for back in [500, 1000, 1900] {
        let mut service = Service::new(two_tracks().time_jump(TimeJump::Refuse).long_gop(LongGop::Drop));
        let mut last = EPOCH;
        // The sound ends first, so its positions are lower than those of the pictures.
        for frame in recording(&[(0, 3000)], (0, 2000)) {
            service.pass(frame.pts.saturating_sub(last));
            last = frame.pts;
            service.put(frame);
        }
        service.pass(Duration::from_secs(30));
        assert!(service.events.iter().any(|event| matches!(event, Event::Idle)), "the session has ended");
        let key = 3000 - back + 300;
        for mut frame in recording(&[(0, 4000)], (0, 4000)) {
            let ms = u64::try_from((frame.pts - EPOCH).as_millis()).unwrap() + 3000 - back;
            frame.pts = at(ms);
            frame.keyframe = frame.track == V && ms >= key && (ms - key).is_multiple_of(1000);
            service.pass(Duration::from_millis(10));
            service.put(frame);
        }
        service.finish(Duration::from_secs(10));
        // Without a key frame: 3 pictures and 15 sounds, whose times may be those of the frames before the gap too.
        let totals = service.producer.stats().totals;
        assert_eq!((totals.lost.frames, totals.lost_by.no_keyframe), (18, 18), "{back} ms back: {:?}", service.events);
    }
}

/// Recordings in which frames are put one after the other, whatever the network does meanwhile.
fn recordings() -> [ProducerConfig; 2] {
    [recorded(), two_tracks().overflow(Overflow::Refuse)]
}

#[test]
fn sound_that_begins_or_resumes_within_a_group_of_pictures_is_not_lost() {
    let sound = |frames: Vec<Frame>, from: u64, to: u64| -> Vec<Frame> {
        let (from, to) = (at(from), at(to));
        frames.into_iter().filter(|frame| frame.track == V || !(from..to).contains(&frame.pts)).collect()
    };
    for config in recordings() {
        // Groups of 300 ms, 1 s, 10 s and 25 s: shorter than a fragment, usual, the default of encoders, longer than a fragment.
        for group in [300, 1000, 10_000, 25_000] {
            let mut pictures = recording(&[(0, 40_000)], (0, 40_000));
            for frame in pictures.iter_mut().filter(|frame| frame.track == V) {
                frame.keyframe = (frame.pts - EPOCH).as_millis().is_multiple_of(group);
            }
            assert_whole(config.clone(), sound(pictures.clone(), 0, 14_050));
            assert_whole(config.clone(), sound(pictures, 5550, 20_550));
        }
    }
}

#[test]
fn a_frame_of_a_recording_that_comes_too_late_is_refused_and_not_lost() {
    for config in recordings() {
        // Eight seconds of pictures, then their sound, and so on; or all pictures, then all sound.
        for piece in [8000, 40_000] {
            let mut service = Service::new(config.clone());
            let (mut refused, mut count) = (0, 0);
            for from in (0..40_000).step_by(piece as usize) {
                let mut frames = recording(&[(from, from + piece)], (from, from + piece));
                frames.sort_by_key(|frame| frame.track);
                for frame in frames {
                    count += 1;
                    if let Err(error) = service.producer.put_frame(frame, service.now) {
                        assert!(matches!(error.refusal, Refusal::TrackLate { track: A, .. }), "{error}");
                        assert!(error.to_string().contains("in the order of their times"), "{error}");
                        refused += 1;
                    }
                    service.run();
                }
            }
            service.finish(Duration::from_secs(10));
            let stats = service.producer.stats();
            assert!(refused > 500 && stats.refused_frames == refused);
            assert_eq!((stats.totals.persisted.frames, stats.totals.lost.frames), (count - refused, 0));
        }
    }
    // A longer span orders what lies further apart.
    for piece in [8000, 40_000] {
        let mut frames = recording(&[(0, 40_000)], (0, 40_000));
        let ms = |frame: &Frame| (frame.pts - EPOCH).as_millis() as u64;
        frames.sort_by_key(|frame| (ms(frame) / piece, frame.track));
        let config = two_tracks().overflow(Overflow::Refuse).interleave_span(Duration::from_secs(60));
        let service = assert_whole(config, frames);
        assert_eq!(service.sessions, 1);
    }
}

#[test]
fn a_caller_that_waits_loses_no_sound() {
    let mut service = Service::new(two_tracks().overflow(Overflow::Refuse));
    let frames = recording(&[(0, 20_000)], (0, 20_000));
    let count = frames.len() as u64;
    for frame in frames {
        let begins_group = frame.keyframe;
        service.put(frame);
        // The key frame is there, its sound is not: the buffer is full, or the reader of the file is slow.
        if begins_group {
            service.pass(Duration::from_secs(15));
        }
    }
    service.finish(Duration::from_secs(10));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted.frames, totals.lost.frames), (count, 0));
    assert!(service.stored.iter().all(|seen| seen.tracks == 2));
}

#[test]
fn pictures_that_fill_the_buffer_while_sound_is_awaited_are_sent() {
    for group in [5, 50] {
        let mut service = Service::new(two_tracks().overflow(Overflow::Refuse).buffer_bytes(64 << 10));
        for n in 0..200 {
            let mut frame = Frame::new(V, at(n * 40), vec![1; 12_000]).with_keyframe(n % group == 0);
            let mut tries = 0;
            while let Err(error) = service.producer.put_frame(frame, service.now) {
                assert!(matches!(error.refusal, Refusal::BufferFull { .. }) && tries < 50, "{error}, {tries} tries");
                frame = error.into_frame();
                tries += 1;
                service.run();
                service.pass(Duration::from_millis(100));
            }
            service.run();
        }
        service.finish(Duration::from_secs(10));
        assert_eq!(service.producer.stats().totals.persisted.frames, 200);
    }
}
