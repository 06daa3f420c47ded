//! GStreamer's RTSP server as the camera.

use std::time::{Duration, SystemTime};

use kvs_mkv::CodecId;
use kvs_rtsp::{Camera, CameraEvent, CameraOptions, OpenError, TrackNumber, Transport};

use crate::gstreamer::{GstServer, is_installed};
use crate::support::{frames, names, of_track};

const H264_ALAW: &str = "( videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1 \
    ! x264enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 config-interval=1 \
    audiotestsrc is-live=true ! audioconvert ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8 )";
const H265_AAC: &str = "( videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1 \
    ! x265enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph265pay name=pay0 pt=96 config-interval=1 \
    audiotestsrc is-live=true ! audioconvert ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! rtpmp4gpay name=pay1 pt=97 )";

const CREDENTIALS: &str = "admin:p%40ss%2Fw0rd@";

/// Opens a camera of GStreamer and returns its first 25 pictures, with what came between them.
async fn watch(server: &GstServer, credentials: &str, options: CameraOptions) -> Vec<CameraEvent> {
    let mut camera = Camera::open(&server.url(credentials), options).await.unwrap();
    let events = frames(&mut camera, TrackNumber::ONE, 25).await;
    camera.stop().await;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let pictures = of_track(&events, TrackNumber::ONE);
    let keys: Vec<usize> = (0..25).filter(|at| pictures[*at].keyframe).collect();
    assert_eq!(keys, [0, 10, 20], "a key frame every 10 pictures");
    for pair in pictures.windows(2) {
        let apart = pair[1].pts - pair[0].pts;
        assert!(apart.abs_diff(Duration::from_millis(100)) <= Duration::from_millis(2), "{apart:?}");
    }
    let age = now.saturating_sub(pictures[24].pts);
    assert!(age < Duration::from_secs(3), "{age:?}");
    events
}

fn codecs(events: &[CameraEvent]) -> Vec<CodecId> {
    let CameraEvent::Connected { tracks, skipped } = &events[0] else { panic!("{}", names(events)) };
    assert!(skipped.is_empty() && tracks.iter().all(|track| !track.codec_private.is_empty()), "{tracks:?}");
    assert_eq!(tracks[0].video.map(|video| (video.width, video.height)), Some((160, 120)));
    tracks.iter().map(|track| track.codec.clone()).collect()
}

#[tokio::test]
async fn h264_and_alaw_with_digest_over_tcp_and_udp() {
    if !is_installed("h264_and_alaw_with_digest_over_tcp_and_udp", &["x264enc", "alawenc"]) {
        return;
    }
    let server = GstServer::start(H264_ALAW, true);
    for transport in [Transport::Tcp, Transport::Udp] {
        let events = watch(&server, CREDENTIALS, CameraOptions::new().transport(transport)).await;
        assert_eq!(codecs(&events), [CodecId::H264, CodecId::ACM]);
        let sound = of_track(&events, TrackNumber::TWO);
        let bytes: usize = sound.iter().map(|frame| frame.data.len()).sum();
        // 8,000 bytes a second, for 2.4 s less what is on the way.
        assert!((15_000..22_000).contains(&bytes), "{bytes}");
    }
    for (credentials, advice) in [("admin:wrong@", "check user name and password"), ("", "give user name and password")]
    {
        let rejected = Camera::open(&server.url(credentials), CameraOptions::new()).await;
        let Err(OpenError::Camera(error)) = rejected else { panic!("it must not open") };
        assert!(error.to_string().contains(advice), "{error}");
    }
}

#[tokio::test]
async fn h265_and_aac() {
    if !is_installed("h265_and_aac", &["x265enc", "voaacenc"]) {
        return;
    }
    let server = GstServer::start(H265_AAC, false);
    let events = watch(&server, "", CameraOptions::new()).await;
    assert_eq!(codecs(&events), [CodecId::H265, CodecId::AAC]);
    let sound = of_track(&events, TrackNumber::TWO);
    // 1,024 samples a frame. The encoder of the pictures may be seconds behind that of the sound.
    assert!(sound.len() > 80, "{}", sound.len());
    for pair in sound.windows(2) {
        let apart = pair[1].pts - pair[0].pts;
        assert!(apart.abs_diff(Duration::from_micros(21_333)) <= Duration::from_millis(1), "{apart:?}");
    }
    let CameraEvent::Connected { tracks, .. } = &events[0] else { panic!() };
    assert_eq!(tracks[1].audio.as_ref().map(|audio| (audio.sampling_frequency, audio.channels)), Some((48_000.0, 2)));
}
