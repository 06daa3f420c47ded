//! One RTSP session: from the connection to its end. Every wait has a limit.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use kvs_mkv::codec::{h264, h265, nal};
use retina::client::{
    Demuxed, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session, SessionGroup, SessionIdPolicy,
    SessionOptions, SetupOptions, TcpTransportOptions, Transport as RetinaTransport, UdpTransportOptions,
};
use retina::codec::{AudioFrame, CodecItem, VideoFrame};
use retina::rtcp::ReceivedCompoundPacket;
use tokio::time::sleep_until;

use super::failure::{Failures, Step};
use super::tracks::{Codec, Selection};
use crate::address::Address;
use crate::error::CameraError;
use crate::intake::{Intake, LEAD, RawFrame, SOUND, ntp_to_wall};
use crate::options::{CameraOptions, Transport};

/// A session that plays.
pub(super) struct Playing {
    media: Demuxed,
    selection: Selection,
    failures: Failures,
    started: Instant,
    last_lead: Instant,
}

impl Playing {
    /// Connects, asks what there is, and starts to play it.
    pub(super) async fn start(
        address: &Address,
        options: &CameraOptions,
        group: &Arc<SessionGroup>,
    ) -> Result<Self, CameraError> {
        match Self::start_with(address, options, group, false).await {
            // A camera that does not want to send its sound still has pictures.
            Err(Stopped::AtSound(_)) => {
                let again = Self::start_with(address, options, group, true).await;
                again.map_err(Stopped::into_error)
            }
            done => done.map_err(Stopped::into_error),
        }
    }

    async fn start_with(
        address: &Address,
        options: &CameraOptions,
        group: &Arc<SessionGroup>,
        refused_audio: bool,
    ) -> Result<Self, Stopped> {
        let failures = Failures::new(address.clone());
        let limit = options.request_timeout;
        let session_options = SessionOptions::default()
            .creds(address.credentials.clone())
            .user_agent(options.user_agent.clone())
            .session_id(SessionIdPolicy::UseFirst)
            .session_group(Arc::clone(group));
        let describe = Session::describe(address.url.clone(), session_options);
        let mut session = failures.within(limit, Step::Describe, describe).await?;
        let selection = Selection::of(session.streams(), options.audio, refused_audio);
        if selection.taken.is_empty() {
            return Err(failures.unsupported(selection.skipped).into());
        }
        for &(at, codec) in &selection.taken {
            let setup = SetupOptions::default().transport(transport(options.transport));
            let done = failures.within(limit, Step::Setup, session.setup(at, setup)).await;
            if let Err(error) = done {
                let has_video = selection.taken.len() > 1;
                let is_refusal = matches!(error, CameraError::Refused { .. } | CameraError::NotFound { .. });
                return Err(match codec.is_video() {
                    false if has_video && is_refusal => Stopped::AtSound(error),
                    _ => error.into(),
                });
            }
        }
        // Several cameras send values in RTP-Info that no packet has.
        let play = PlayOptions::default()
            .initial_timestamp(InitialTimestampPolicy::Permissive)
            .initial_seq(InitialSequenceNumberPolicy::Ignore);
        let playing = failures.within(limit, Step::Play, session.play(play)).await?;
        let media = playing.demuxed().map_err(|error| failures.of(&error, Step::Play))?;
        let now = Instant::now();
        Ok(Self { media, selection, failures, started: now, last_lead: now })
    }

    /// What the camera offers and is not taken.
    pub(super) fn skipped(&self) -> Vec<crate::event::SkippedTrack> {
        self.selection.skipped.clone()
    }

    /// Waits for the next packet and gives it to the intake; returns why the session has ended. Cancel-safe.
    pub(super) async fn next(&mut self, intake: &mut Intake, options: &CameraOptions) -> Result<Passed, CameraError> {
        let silent_at = self.last_lead + options.frame_timeout;
        let keyless_at = self.started + options.keyframe_timeout;
        let deadline = if intake.is_connected() { silent_at } else { silent_at.min(keyless_at) };
        let settle = intake.poll_timeout();
        let settled = async {
            match settle {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let (settled, late) = (pin!(settled), pin!(sleep_until(deadline.into())));
        tokio::select! {
            biased;
            item = self.media.next() => match item {
                Some(Ok(item)) => Ok(self.take(item, intake)),
                Some(Err(error)) => Err(self.failures.of(&error, Step::Media)),
                None => Err(self.failures.closed()),
            },
            () = settled => {
                intake.handle_timeout(Instant::now());
                Ok(Passed::Other)
            }
            () = late => Err(self.failures.timed_out(
                if deadline == silent_at { "frame" } else { "key frame" },
                if deadline == silent_at { options.frame_timeout } else { options.keyframe_timeout },
            )),
        }
    }

    fn take(&mut self, item: CodecItem, intake: &mut Intake) -> Passed {
        match item {
            CodecItem::VideoFrame(frame) => self.take_video(frame, intake),
            CodecItem::AudioFrame(frame) => self.take_audio(&frame, intake),
            CodecItem::Rtcp(packet) => {
                self.take_report(&packet, intake);
                Passed::Other
            }
            _ => Passed::Other,
        }
    }

    fn take_video(&mut self, frame: VideoFrame, intake: &mut Intake) -> Passed {
        let Some((track, codec)) = self.track(frame.stream_id()) else { return Passed::Other };
        let keyframe = is_keyframe(codec, frame.data());
        if (frame.has_new_parameters() || (keyframe && !intake.is_connected()))
            && let Some(tracks) = self.selection.tracks(self.media.streams())
        {
            intake.handle_tracks(tracks);
        }
        let raw = RawFrame {
            track,
            media: nanos(frame.timestamp()),
            arrival: wall(frame.start_ctx().received_wall().into()),
            keyframe,
            lost: frame.loss(),
            data: Bytes::from(frame.into_data()),
        };
        self.give(raw, intake)
    }

    fn take_audio(&mut self, frame: &AudioFrame, intake: &mut Intake) -> Passed {
        let Some((track, _)) = self.track(frame.stream_id()) else { return Passed::Other };
        if track == LEAD
            && !intake.is_connected()
            && let Some(tracks) = self.selection.tracks(self.media.streams())
        {
            intake.handle_tracks(tracks);
        }
        let raw = RawFrame {
            track,
            media: nanos(frame.timestamp()),
            arrival: wall(frame.ctx().received_wall().into()),
            keyframe: true,
            lost: frame.loss(),
            data: Bytes::copy_from_slice(frame.data()),
        };
        self.give(raw, intake)
    }

    fn give(&mut self, raw: RawFrame, intake: &mut Intake) -> Passed {
        let now = Instant::now();
        if raw.track == LEAD {
            self.last_lead = now;
        }
        intake.handle_frame(raw, now);
        Passed::Frame
    }

    fn take_report(&self, packet: &ReceivedCompoundPacket, intake: &mut Intake) {
        let Some((track, _)) = self.track(packet.stream_id()) else { return };
        let Some(rtp) = packet.rtp_timestamp() else { return };
        let Some(Ok(Some(report))) = packet.pkts().next().map(|first| first.as_sender_report()) else { return };
        let arrival = wall(packet.ctx().received_wall().into());
        let at = ntp_to_wall(report.ntp_timestamp().0);
        intake.handle_report(track, nanos(rtp), at, arrival, Instant::now());
    }

    /// The track of a stream of the session description.
    fn track(&self, stream: usize) -> Option<(usize, Codec)> {
        let place = self.selection.taken.iter().position(|&(at, _)| at == stream)?;
        let (_, codec) = self.selection.taken.get(place)?;
        Some((if place == 0 { LEAD } else { SOUND }, *codec))
    }
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    Frame,
    Other,
}

/// Why a session did not start.
enum Stopped {
    /// The sound was refused, after the video was not.
    AtSound(CameraError),
    Failed(CameraError),
}

impl Stopped {
    fn into_error(self) -> CameraError {
        let (Self::AtSound(error) | Self::Failed(error)) = self;
        error
    }
}

impl From<CameraError> for Stopped {
    fn from(error: CameraError) -> Self {
        Self::Failed(error)
    }
}

fn transport(transport: Transport) -> RetinaTransport {
    match transport {
        Transport::Tcp => RetinaTransport::Tcp(TcpTransportOptions::default()),
        Transport::Udp => RetinaTransport::Udp(UdpTransportOptions::default()),
    }
}

/// An IDR picture, or one of an open GOP: cameras with open GOPs have no other.
fn is_keyframe(codec: Codec, access_unit: &[u8]) -> bool {
    let units = nal::length_prefixed(access_unit, nal::LengthSize::FOUR).map_while(Result::ok);
    if codec == Codec::H265 { h265::is_keyframe(units) } else { h264::is_keyframe(units) }
}

/// Time since the origin of the session, in ns.
fn nanos(timestamp: retina::Timestamp) -> i64 {
    let nanos = i128::from(timestamp.elapsed()) * 1_000_000_000 / i128::from(timestamp.clock_rate().get());
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
}

/// Time since 1970, in ns.
fn wall(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX / 4)
}
