//! `kvs gateway` with GStreamer's RTSP server as the camera.

use std::time::Duration;

use kvs_local::LocalKvs;

use super::support::{Gateway, stored_pictures};
use super::{blocking, service, write_config};
use crate::cameras::{CLOCK, ELEMENTS, assert_images, without_b_frames};
use crate::gstreamer::{GstServer, is_installed};

/// A camera of the server in a configuration; the server wants these credentials.
fn camera(server: &GstServer, more: &str) -> String {
    let url = server.url("");
    format!("[camera.door]\nurl = '{url}'\nuser = 'admin'\npassword = 'p@ss/w0rd'\nstream = 'door'\n{more}")
}

/// Sends the clock for 11 s and compares what the pictures show with the times of the images.
async fn assert_times(clock: &str) {
    let dir = tempfile::tempdir().unwrap();
    let recording = without_b_frames(dir.path());
    let server = GstServer::start(&CLOCK.replace(crate::cameras::RECORDING, recording.to_str().unwrap()), true);
    let local = service(dir.path(), None).await;
    let config = write_config(dir.path(), local.endpoint_url(), &camera(&server, &format!("clock = '{clock}'\n")));
    let switched = blocking(move || {
        let mut gateway = Gateway::start(&config, None);
        gateway.wait_until("door", |door| door["state"] == "live");
        std::thread::sleep(Duration::from_secs(11));
        let (code, errors, log) = gateway.stop();
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{log:?}");
        assert!(log.iter().all(|line| !line.to_string().contains("w0rd")), "{log:?}");
        log.iter()
            .any(|line| line["text"].as_str().is_some_and(|text| text.contains("the clock of the camera is used")))
    })
    .await;
    assert_images(&local, &server, dir.path(), switched, clock).await;
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_show_the_time_of_their_timestamp_by_the_local_clock() {
    let test = "gateway_images_show_the_time_of_their_timestamp_by_the_local_clock";
    if is_installed(test, ELEMENTS) && test_judges::available(test, &["ffmpeg"]) {
        assert_times("local").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_show_the_time_of_their_timestamp_by_the_clock_of_the_camera() {
    let test = "gateway_images_show_the_time_of_their_timestamp_by_the_clock_of_the_camera";
    if is_installed(test, ELEMENTS) && test_judges::available(test, &["ffmpeg"]) {
        assert_times("camera").await;
    }
}

const LIVE: &str = "( videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1 \
    ! x264enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 config-interval=1 )";

/// How often camera and service are restarted each, unless the environment says it. The waits for the camera double, from 1 s on.
const RESTARTS: usize = 2;

/// What is switched off and on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Camera,
    Service,
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_of_camera_and_service_at_random_lose_no_received_frame() {
    let test = "restarts_of_camera_and_service_at_random_lose_no_received_frame";
    if !is_installed(test, &["x264enc", "rtph264pay"]) || !test_judges::available(test, &["ffprobe"]) {
        return;
    }
    let of = |name, default| std::env::var(name).map_or(default, |text: String| text.parse().unwrap());
    let (restarts, seed) = (of("KVS_RESTARTS", RESTARTS as u64) as usize, of("KVS_SEED", fastrand::u64(..1_000_000)));
    println!("KVS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut parts = [[Part::Camera].repeat(restarts), [Part::Service].repeat(restarts)].concat();
    random.shuffle(&mut parts);

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    let mut local = service(&folder, None).await;
    let (endpoint, address) = (local.endpoint_url().to_owned(), local.address());
    let mut server = GstServer::start(LIVE, true);
    let config = write_config(&folder, &endpoint, &camera(&server, ""));
    let mut gateway = blocking(move || Gateway::start(&config, None)).await;
    // The longest wait of a camera, and what else a full machine takes.
    gateway.patience = Duration::from_secs(100);
    for part in parts {
        gateway = grows(gateway, "persisted_frames").await;
        tokio::time::sleep(Duration::from_millis(random.u64(100..1500))).await;
        let away = Duration::from_millis(random.u64(100..2000));
        match part {
            Part::Camera => {
                let port = server.port();
                drop(server);
                tokio::time::sleep(away).await;
                server = blocking(move || GstServer::start_at(port, LIVE, true)).await;
                gateway = grows(gateway, "received_frames").await;
            }
            Part::Service => {
                local.shutdown().await;
                tokio::time::sleep(away).await;
                local = service(&folder, Some(address)).await;
            }
        }
    }
    gateway = grows(gateway, "persisted_frames").await;
    drop(server);
    let (received, gaps, log) = blocking(move || {
        let received = gateway.wait_until("door", |door| door["state"] == "lost")["received_frames"].clone();
        let (code, errors, log) = gateway.stop();
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{log:?}");
        (received, log.iter().filter(|line| line["event"] == "back").count(), log)
    })
    .await;
    let stopped = log.iter().rfind(|line| line["camera"] == "door" && line["event"] == "stopped").unwrap();
    assert_eq!((&stopped["persisted_frames"], &stopped["lost_frames"]), (&received, &0.into()), "{log:#?}");
    assert_eq!(gaps, restarts, "{log:#?}");
    let stored = blocking(move || stored_pictures(&endpoint, "door", &folder)).await;
    assert_eq!(Some(stored as u64), received.as_u64());
    println!("{stored} frames");
    LocalKvs::shutdown(local).await;
}

/// Waits until a counter of the camera is greater than now.
async fn grows(mut gateway: Gateway, counter: &'static str) -> Gateway {
    blocking(move || {
        let before = gateway.camera("door")[counter].as_u64();
        gateway.wait_until("door", |door| door[counter].as_u64() > before);
        gateway
    })
    .await
}
