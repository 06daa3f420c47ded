//! One stream of frames through the core, from `put_frame` to three acks per fragment, and its test media.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_producer::{ControlRequest, ControlResponse, ProducerConfig, ProducerCore, SessionId, StreamLookup, Transmit};

const WALL: Duration = Duration::from_secs(1_714_521_600);
/// Frames per fragment: two seconds.
pub(crate) const GROUP: u64 = 50;

/// Kind of test media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// Length-prefixed video: a key frame of 60 kB every 50 frames, others of 8 kB.
    Lengths,
    /// The same video with start codes, and parameter sets before the key frames.
    StartCodes,
    /// Audio of 200 B per frame.
    Sound,
}

impl Media {
    /// Payloads of four groups, as a source gives them: of pictures more than the nearest caches hold, as live ones are.
    pub(crate) fn payloads(self) -> Vec<Bytes> {
        (0..4 * GROUP).map(|nth| self.payload(nth)).collect()
    }

    fn payload(self, nth: u64) -> Bytes {
        let key = nth.is_multiple_of(GROUP);
        let (header, size) = if key { (0x65, 60_000) } else { (0x41, 8_000) };
        match self {
            Self::Sound => noise(nth, 0x21, 200).into(),
            Self::Lengths => [&u32::to_be_bytes(size), &*noise(nth, header, size)].concat().into(),
            Self::StartCodes => {
                let sets: [&[u8]; 2] = [b"\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10", b"\x68\xce\x3c\x80"];
                let picture = noise(nth, header, size);
                let units = sets.into_iter().filter(|_| key).chain([&*picture]);
                units.flat_map(|unit| [b"\0\0\0\x01", unit].concat()).collect::<Vec<u8>>().into()
            }
        }
    }

    fn track(self) -> Track {
        match self {
            Self::Sound => {
                Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::AAC).with_codec_private(vec![0x12, 0x10])
            }
            Self::Lengths => Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264)
                .with_codec_private(b"\x01\x42\xc0\x0a\xff\xe0\0".to_vec()),
            Self::StartCodes => Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264),
        }
    }
}

/// A NAL unit as an entropy coder fills it: any bytes, but no start code among them.
fn noise(seed: u64, header: u8, size: u32) -> Vec<u8> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![header];
    while bytes.len() + 1 < size as usize {
        let byte = chance.u8(..);
        bytes.push(if bytes.ends_with(&[0, 0]) { byte.max(3) } else { byte });
    }
    bytes.push(0x80);
    bytes
}

pub(crate) fn producer(media: Media, now: Instant) -> ProducerCore {
    let config = ProducerConfig::new("cam", vec![media.track()])
        .stream_lookup(StreamLookup::FixedEndpoint("https://data".to_owned()))
        .buffer_bytes(1 << 30)
        .buffer_time(Duration::from_secs(3600));
    ProducerCore::new(config, now, SystemTime::UNIX_EPOCH + WALL).expect("the configuration works")
}

/// A producer, and a service that acks each fragment when the next but one begins.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) producer: ProducerCore,
    pub(crate) body_bytes: u64,
    now: Instant,
    frames: u64,
    ack: String,
}

impl Journey {
    pub(crate) fn new(media: Media) -> Self {
        let now = Instant::now();
        Self { producer: producer(media, now), body_bytes: 0, now, frames: 0, ack: String::new() }
    }

    /// Submits one frame, polls its bytes and delivers the acks that are due.
    pub(crate) fn step(&mut self, payload: &Bytes) {
        let nth = self.frames;
        self.frames += 1;
        self.put(nth, payload);
        let ack = nth.is_multiple_of(GROUP).then(|| nth.checked_sub(2 * GROUP)).flatten();
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            match transmit {
                Transmit::Control { id, request: ControlRequest::Credentials(_) } => {
                    self.producer.handle_response(id, ControlResponse::Credentials { lasts: None }, self.now);
                }
                Transmit::Open { session, .. } => self.producer.handle_opened(session, self.now),
                Transmit::Body { session, chunks } => {
                    self.body_bytes += chunks.len() as u64;
                    self.producer.handle_sent(session, chunks.len(), self.now);
                    if let Some(first) = ack {
                        self.acks(session, first);
                    }
                }
                _ => {}
            }
        }
        while let Some(event) = self.producer.poll_event() {
            drop(event);
        }
    }

    /// Submits one frame and polls its output without a connection.
    pub(crate) fn step_unheard(&mut self, payload: &Bytes) {
        let nth = self.frames;
        self.frames += 1;
        self.put(nth, payload);
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            drop(transmit);
        }
    }

    /// Ends the fragment and delivers all acks.
    pub(crate) fn settle(&mut self) {
        self.producer.end_fragment();
        let mut carried_by = None;
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            if let Transmit::Body { session, chunks } = transmit {
                self.producer.handle_sent(session, chunks.len(), self.now);
                carried_by = Some(session);
            }
        }
        let whole = self.frames.div_ceil(GROUP);
        for group in whole.saturating_sub(3)..whole {
            if let Some(session) = carried_by {
                self.acks(session, group * GROUP);
            }
        }
        while self.producer.poll_event().is_some() {}
    }

    fn put(&mut self, nth: u64, payload: &Bytes) {
        let frame = Frame::new(TrackNumber::ONE, WALL + Duration::from_millis(nth * 40), payload.clone());
        self.producer.put_frame(frame.with_keyframe(nth.is_multiple_of(GROUP)), self.now).expect("there is room");
    }

    fn acks(&mut self, session: SessionId, first: u64) {
        let timecode = WALL.as_millis() + u128::from(first) * 40;
        for kind in ["BUFFERING", "RECEIVED", "PERSISTED"] {
            self.ack.clear();
            let _ = write!(
                self.ack,
                r#"{{"EventType":"{kind}","FragmentTimecode":{timecode},"FragmentNumber":"91343852333181432392682062607743920146159169392"}}"#
            );
            self.producer.handle_ack(session, self.ack.as_bytes(), self.now);
        }
    }
}
