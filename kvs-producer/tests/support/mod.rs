//! A minimal service in virtual time: responds to requests, parses the body, and acknowledges each fragment immediately.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    clippy::unwrap_used,
    reason = "each test uses its part"
)]

use std::time::{Duration, Instant, SystemTime};

use kvs_mkv::{CodecId, Frame, Limits, Parser, Tag, Track, TrackKind, TrackNumber};
use kvs_producer::{
    BitstreamMode, CloseReason, ControlRequest, ControlResponse, Event, OpenRequest, ProducerConfig, ProducerCore,
    SessionId, StreamStatus, Transmit,
};

pub const V: TrackNumber = TrackNumber::ONE;
pub const A: TrackNumber = TrackNumber::TWO;
/// 2024-05-01T00:00:00Z.
pub const EPOCH: Duration = Duration::from_secs(1_714_521_600);

pub fn video() -> Track {
    Track::new(V, TrackKind::Video, CodecId::H264).with_video(640, 360).with_codec_private(vec![1, 0x64, 0, 0x1e])
}

pub fn audio() -> Track {
    Track::new(A, TrackKind::Audio, CodecId::AAC).with_audio(48_000.0, 2, None).with_codec_private(vec![0x11, 0x90])
}

pub fn config() -> ProducerConfig {
    ProducerConfig::new("cam", vec![video()]).seed(7).bitstream_mode(BitstreamMode::Passthrough)
}

/// [`EPOCH`] as a point in time.
pub fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + EPOCH
}

pub fn at(ms: u64) -> Duration {
    EPOCH + Duration::from_millis(ms)
}

pub fn frame(track: TrackNumber, ms: u64, keyframe: bool) -> Frame {
    let mut data = ms.to_be_bytes().to_vec();
    data.resize(if keyframe { 4000 } else { 400 }, track.get() as u8);
    Frame::new(track, at(ms), data).with_keyframe(keyframe)
}

/// A fragment as the service received it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub session: u64,
    pub timecode: u64,
    pub tracks: usize,
    pub frames: Vec<Frame>,
    pub tags: Vec<Vec<Tag>>,
}

pub struct Service {
    pub producer: ProducerCore,
    pub now: Instant,
    pub calls: Vec<String>,
    pub stored: Vec<Seen>,
    pub events: Vec<Event>,
    pub ack: fn(u64) -> Vec<String>,
    parser: Option<Parser>,
    tracks: usize,
    open: Option<Seen>,
    pub sessions: u64,
    /// Connections are accepted, and then nothing is read or sent.
    pub black_hole: bool,
    /// Connections are refused.
    pub down: bool,
    pub session: Option<SessionId>,
    /// The request of each connection.
    pub requests: Vec<OpenRequest>,
    /// Bytes per second that the socket accepts; unlimited by default.
    pub slow: Option<usize>,
    in_socket: usize,
    /// The response stays open after the end of the body.
    pub lingers: bool,
    #[cfg(feature = "spool")]
    pub spool: Option<kvs_producer::Spool>,
    /// The spool does not answer.
    pub is_mute: bool,
    /// The tracks of each session.
    pub headers: Vec<Vec<Track>>,
}

pub fn all_acks(timecode: u64) -> Vec<String> {
    let ack = |kind| format!(r#"{{"EventType":"{kind}","FragmentTimecode":{timecode},"FragmentNumber":"{timecode}"}}"#);
    vec![ack("BUFFERING"), ack("RECEIVED"), ack("PERSISTED")]
}

impl Service {
    pub fn new(config: ProducerConfig) -> Self {
        let mut service = Self::idle(config);
        service.run();
        service
    }

    fn idle(config: ProducerConfig) -> Self {
        let now = Instant::now();
        let producer = ProducerCore::new(config, now, SystemTime::UNIX_EPOCH + EPOCH).unwrap();
        Self {
            producer,
            now,
            calls: Vec::new(),
            stored: Vec::new(),
            events: Vec::new(),
            ack: all_acks,
            parser: None,
            tracks: 0,
            open: None,
            sessions: 0,
            black_hole: false,
            down: false,
            session: None,
            requests: Vec::new(),
            slow: None,
            in_socket: 0,
            lingers: false,
            #[cfg(feature = "spool")]
            spool: None,
            is_mute: false,
            headers: Vec::new(),
        }
    }

    /// A producer whose spool is in this folder. Its requests are answered at once.
    #[cfg(feature = "spool")]
    pub fn with_spool(
        config: ProducerConfig,
        spool: kvs_producer::SpoolConfig,
        overflow: kvs_producer::Overflow,
    ) -> Self {
        let opened = kvs_producer::Spool::open(&spool, "cam", overflow).unwrap();
        Self::with_opened(config.overflow(overflow), spool, opened)
    }

    #[cfg(feature = "spool")]
    pub fn with_opened(config: ProducerConfig, spool: kvs_producer::SpoolConfig, opened: kvs_producer::Spool) -> Self {
        let mut service = Self::idle(config.spool(spool));
        service.spool = Some(opened);
        service.run();
        service
    }

    /// A producer with a spool whose disk never answers.
    #[cfg(feature = "spool")]
    pub fn mute(config: ProducerConfig, spool: kvs_producer::SpoolConfig) -> Self {
        let mut service = Self::idle(config.spool(spool));
        service.is_mute = true;
        service.run();
        service
    }

    /// Does everything that is possible without the passage of time.
    pub fn run(&mut self) {
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            match transmit {
                Transmit::Control { id, request: call } => {
                    self.calls.push(call.name().to_owned());
                    let answer = match call {
                        ControlRequest::Credentials(_) => {
                            ControlResponse::Credentials { lasts: Some(Duration::from_secs(3600)) }
                        }
                        ControlRequest::GetDataEndpoint => ControlResponse::Endpoint("https://data".to_owned()),
                        _ => ControlResponse::Described {
                            status: StreamStatus::Active,
                            retention: Duration::from_secs(3600),
                        },
                    };
                    self.producer.handle_response(id, answer, self.now);
                }
                Transmit::Open { session, .. } if self.down => {
                    let reason = CloseReason::Broken("refused".to_owned());
                    self.producer.handle_closed(session, reason, self.now);
                }
                Transmit::Open { session, request } => {
                    self.requests.push(request);
                    self.in_socket = 0;
                    self.sessions += 1;
                    self.session = Some(session);
                    self.parser = Some(Parser::new(Limits::default()));
                    self.producer.handle_opened(session, self.now);
                }
                Transmit::Body { session, chunks } => {
                    self.in_socket += chunks.len();
                    if self.slow.is_none() {
                        self.take(session, usize::MAX);
                    }
                    if !self.black_hole {
                        for piece in chunks {
                            self.parser.as_mut().unwrap().push(piece);
                        }
                        self.read(session);
                    }
                }
                Transmit::End { session } if self.lingers => self.seal(session),
                Transmit::End { session } => {
                    self.seal(session);
                    let reason = CloseReason::Broken("ended".to_owned());
                    self.producer.handle_closed(session, reason, self.now);
                    self.session = None;
                }
                Transmit::Abort { .. } => {
                    self.open = None;
                    self.parser = None;
                    self.session = None;
                }
                #[cfg(feature = "spool")]
                Transmit::Spool(request) => {
                    if let Some(spool) = &mut self.spool {
                        for response in spool.handle(request) {
                            self.producer.handle_spool(response, self.now);
                        }
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        self.events.extend(std::iter::from_fn(|| self.producer.poll_event()));
    }

    fn read(&mut self, session: SessionId) {
        use kvs_mkv::Event as Mkv;
        while let Some(event) = self.parser.as_mut().and_then(|parser| parser.next_event().unwrap()) {
            match event {
                Mkv::Tracks(tracks) => {
                    self.tracks = tracks.len();
                    self.headers.push(tracks);
                }
                Mkv::Cluster { at } => {
                    self.seal(session);
                    let timecode = at.as_millis() as u64;
                    let session = session.get();
                    let (frames, tags) = (Vec::new(), Vec::new());
                    self.open = Some(Seen { session, timecode, tracks: self.tracks, frames, tags });
                }
                Mkv::Frame(frame) => self.open.as_mut().unwrap().frames.push(frame),
                Mkv::Tags(tags) if tags[0].name.ends_with("END_OF_FRAGMENT") => self.seal(session),
                Mkv::Tags(tags) => self.open.as_mut().unwrap().tags.push(tags),
                _ => {}
            }
        }
    }

    fn seal(&mut self, session: SessionId) {
        let Some(seen) = self.open.take() else { return };
        let acks = (self.ack)(seen.timecode);
        self.stored.push(seen);
        for ack in acks {
            self.producer.handle_ack(session, ack.as_bytes(), self.now);
        }
    }

    /// The connection breaks.
    pub fn cut(&mut self) {
        if let Some(session) = self.session.take() {
            (self.open, self.parser) = (None, None);
            self.producer.handle_closed(session, CloseReason::Broken("cut".to_owned()), self.now);
            self.run();
        }
    }

    /// The socket accepts some of its data.
    fn take(&mut self, session: SessionId, most: usize) {
        let bytes = self.in_socket.min(most);
        self.in_socket -= bytes;
        if bytes > 0 {
            self.producer.handle_sent(session, bytes, self.now);
        }
    }

    /// Advances the time, and handles everything that becomes due.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run();
        while let Some(next) = self.producer.poll_timeout(self.now).filter(|&next| next <= end) {
            self.now = self.now.max(next);
            self.producer.handle_timeout(self.now);
            self.run();
        }
        self.now = end;
        if let (Some(session), Some(rate)) = (self.session, self.slow) {
            self.take(session, (rate as f64 * time.as_secs_f64()).ceil() as usize);
        }
        self.producer.handle_timeout(self.now);
        self.run();
    }

    pub fn put(&mut self, frame: Frame) {
        self.producer.put_frame(frame, self.now).unwrap();
        self.run();
    }

    /// Plays video at 25 fps with a key frame every `gop` ms, in real time.
    pub fn play(&mut self, from: u64, to: u64, gop: u64) {
        for ms in (from..to).step_by(40) {
            self.put(frame(V, ms, (ms - from).is_multiple_of(gop)));
            self.pass(Duration::from_millis(40));
        }
    }

    pub fn finish(&mut self, within: Duration) {
        let deadline = self.now + within;
        self.producer.finish(Some(deadline), self.now);
        self.run();
        while !self.producer.is_finished() {
            let next = self.producer.poll_timeout(self.now).expect("an unfinished producer waits for something");
            self.now = self.now.max(next);
            let late = if self.has_spool() { Duration::from_secs(10) } else { Duration::ZERO };
            assert!(self.now <= deadline + late, "a stop ends within its deadline");
            self.producer.handle_timeout(self.now);
            self.run();
        }
        let totals = self.producer.stats().totals;
        assert_eq!(totals.held(), totals.spooled, "{totals:?}");
        if !self.has_spool() {
            assert_eq!(totals.spooled, Default::default());
        }
    }

    fn has_spool(&self) -> bool {
        #[cfg(feature = "spool")]
        return self.spool.is_some() || self.is_mute;
        #[cfg(not(feature = "spool"))]
        false
    }

    /// Returns the presentation times of the frames of a stored fragment, in ms since the epoch of the test.
    pub fn times(&self, fragment: usize) -> Vec<u64> {
        let ms = |frame: &Frame| u64::try_from((frame.pts.saturating_sub(EPOCH)).as_millis()).unwrap();
        self.stored[fragment].frames.iter().map(ms).collect()
    }
}
