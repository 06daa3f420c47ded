//! Streaming sessions: when they end, what they may ask for, and where live media goes on the clock of a player.
#![cfg(feature = "server")]

use crate::support;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use kvs_local::{LocalKvs, Quotas};
use serde_json::json;
use support::{Media, Put, Response, SOME_TIME, create, exchange, post};

/// A service with the stream `door`, on a clock that the test sets, in ms since 1970.
struct Service {
    local: LocalKvs,
    clock: Arc<AtomicU64>,
}

impl Service {
    async fn start(quotas: Quotas) -> Self {
        let clock = Arc::new(AtomicU64::new(SOME_TIME));
        let shared = Arc::clone(&clock);
        let now = move || SystemTime::UNIX_EPOCH + Duration::from_millis(shared.load(Ordering::Relaxed));
        let local = support::builder().clock(now).quotas(quotas).start().await.unwrap();
        create(local.address(), "door").await;
        Self { local, clock }
    }

    fn wait(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Puts fragments of 1 s that start at these times.
    async fn put(&self, stream: &str, starts: impl IntoIterator<Item = u64>) {
        let (mut put, mut media) = (Put::open(self.local.address(), stream, "").await, Media::playable());
        put.send(&media.header()).await;
        for start in starts {
            put.send(&media.fragment(start, &[])).await;
        }
        put.end().await;
        let acks = put.rest().await;
        assert!(acks.contains("PERSISTED") && !acks.contains("ERROR"), "{acks}");
    }

    /// Begins a live session and returns the path of its URL.
    async fn begin(&self, protocol: &str, expires: u64) -> String {
        let path = format!("/get{protocol}StreamingSessionURL");
        let selector = json!({ "FragmentSelectorType": "PRODUCER_TIMESTAMP" });
        let request =
            json!({ "StreamName": "door", "Expires": expires, format!("{protocol}FragmentSelector"): selector });
        self.path_of(&post(self.local.address(), &path, &request.to_string()).await)
    }

    /// Returns the path of the URL in a response.
    fn path_of(&self, response: &Response) -> String {
        assert_eq!(response.status, 200, "{response:?}");
        let json = response.json();
        let url = json.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        url.strip_prefix(self.local.endpoint_url()).unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> Response {
        get(self.local.address(), path).await
    }

    /// Begins a session of stored media, of a caller.
    async fn begin_stored(&self) -> String {
        let range = json!({ "StartTimestamp": SOME_TIME / 1000 - 60, "EndTimestamp": SOME_TIME / 1000 + 60 });
        let selector = json!({ "FragmentSelectorType": "PRODUCER_TIMESTAMP", "TimestampRange": range });
        let request = json!({ "StreamName": "door", "PlaybackMode": "ON_DEMAND", "HLSFragmentSelector": selector });
        self.path_of(&post(self.local.address(), "/getHLSStreamingSessionURL", &request.to_string()).await)
    }
}

async fn get(to: SocketAddr, path: &str) -> Response {
    exchange(to, format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n").as_bytes()).await
}

/// All URLs of an HLS session with one track and one fragment.
async fn urls_of(service: &Service, master: &str) -> Vec<String> {
    let lists = format!("{}&TrackNumber=1", master.replace("Master", "Media"));
    let playlist = String::from_utf8(service.get(&lists).await.body.to_vec()).unwrap();
    let named = playlist.split(['"', '\n']).filter(|part| part.starts_with("get"));
    let media: Vec<String> = named.map(|name| format!("/hls/v1/{name}")).collect();
    assert!(media.len() >= 2, "{playlist}");
    [vec![master.to_owned(), lists], media].concat()
}

#[tokio::test]
async fn an_expired_session_serves_nothing_more() {
    let service = Service::start(Quotas::Off).await;
    service.put("door", [SOME_TIME - 1000]).await;
    let (hls, dash) = (service.begin("HLS", 300).await, service.begin("DASH", 301).await);
    let urls = urls_of(&service, &hls).await;
    service.wait(299_999);
    for url in &urls {
        assert_eq!(service.get(url).await.status, 200, "{url}");
    }
    service.wait(1);
    for url in &urls {
        let refused = service.get(url).await;
        assert_eq!((refused.status, refused.exception()), (403, "NotAuthorizedException"), "{url}");
        assert!(refused.json().to_string().contains("Streaming session token is expired"), "{refused:?}");
    }
    assert_eq!(service.get(&dash).await.status, 200, "another session lives longer");
    service.local.shutdown().await;
}

#[tokio::test]
async fn sessions_of_the_page_live_while_they_are_used_and_give_way_to_newer_ones() {
    let service = Service::start(Quotas::Off).await;
    service.put("door", [SOME_TIME - 1000]).await;
    let of_page = async || {
        let to = service.local.address();
        service.path_of(&get(to, &format!("/_kvs/hls?stream=door&at={}", SOME_TIME - 1000)).await)
    };
    let used = of_page().await;
    for _ in 0..3 {
        service.wait(599_000);
        assert_eq!(service.get(&used).await.status, 200, "each use makes it live longer");
    }
    service.wait(600_000);
    assert_eq!(service.get(&used).await.status, 403);

    // A page that is loaded again and again takes no session from others.
    let (callers, mut of_pages) = (service.begin_stored().await, Vec::new());
    for _ in 0..40 {
        service.wait(1);
        of_pages.push(of_page().await);
    }
    let mut alive = Vec::new();
    for url in &of_pages {
        alive.push(service.get(url).await.status == 200);
    }
    assert_eq!(alive, [[false; 24].as_slice(), &[true; 16]].concat(), "the newest ones are left");
    assert_eq!(service.get(&callers).await.status, 200);
    service.local.shutdown().await;
}

/// Asks until it is refused. The rate is per second and the wall clock of the machine goes on: a slow machine gets a few more.
async fn refused_after(service: &Service, url: &str) -> (usize, Response) {
    for asked in 0..500 {
        let response = service.get(url).await;
        if response.status != 200 {
            return (asked, response);
        }
    }
    panic!("never refused: {url}");
}

#[tokio::test]
async fn quotas_throttle_each_session_by_itself() {
    let service = Service::start(Quotas::Service).await;
    service.put("door", [SOME_TIME - 1000]).await;
    let (one, other) = (service.begin("HLS", 300).await, service.begin("HLS", 300).await);
    let urls = urls_of(&service, &other).await;
    let is_media = |url: &&String| url.contains("getMP4MediaFragment");
    for (url, most) in [(&one, 5), (urls.iter().find(is_media).unwrap(), 20)] {
        let (asked, refused) = refused_after(&service, url).await;
        assert!(asked >= most, "{asked} {url}");
        assert_eq!((refused.status, refused.exception()), (400, "ClientLimitExceededException"), "{refused:?}");
        let text = refused.json().to_string();
        assert!(text.contains(&format!("{most} per second")) && text.contains("for the streaming session "), "{text}");
        assert!(
            !text.contains(url.split("SessionToken=").nth(1).unwrap().get(..100).unwrap()),
            "the token is a secret"
        );
    }
    assert_eq!(service.get(&other).await.status, 200, "another session of the stream has a rate of its own");
    service.local.shutdown().await;
}

/// Returns the segments of a manifest: `t`, if there is one, and `d`.
fn segments(manifest: &Response) -> Vec<(Option<u64>, u64)> {
    let text = String::from_utf8(manifest.body.to_vec()).unwrap();
    let value = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()?.parse().ok()
    };
    let tags = text.split("<S").filter(|tag| tag.starts_with(' '));
    tags.map(|tag| (value(tag, "t"), value(tag, "d").unwrap())).collect()
}

#[tokio::test]
async fn live_dash_keeps_long_gaps_so_that_players_find_the_newest_media() {
    let service = Service::start(Quotas::Off).await;
    let start = service.now();
    service.put("door", [3000, 2000, 1000].map(|before| start - before)).await;
    let url = service.begin("DASH", 3600).await;
    assert_eq!(segments(&service.get(&url).await), [(Some(0), 1000), (None, 1000), (None, 1000)]);
    // A camera that was off for a minute.
    service.wait(60_000);
    service.put("door", [start + 59_000]).await;
    let listed = segments(&service.get(&url).await);
    assert_eq!(listed, [(Some(0), 1000), (None, 1000), (None, 1000), (Some(62_000), 1000)]);
    let token = url.split("SessionToken=").nth(1).unwrap();
    let segment = format!("/dash/v1/getMP4MediaFragment.mp4?SessionToken={token}&SequenceNumber=4&TrackNumber=1");
    let media = service.get(&segment).await.body;
    let at = media.windows(4).position(|name| name == b"tfdt").unwrap();
    // Version and flags, then 64 bits.
    assert_eq!(media[at + 8..at + 16], 62_000u64.to_be_bytes());
    // Media that only comes late has no gap: it is shown where it belongs.
    service.wait(10_000);
    service.put("door", (60..69).map(|second| start + second * 1000)).await;
    let listed = segments(&service.get(&url).await);
    assert_eq!(listed.len(), 5, "the window");
    assert!(listed[1..].iter().all(|segment| *segment == (None, 1000)), "{listed:?}");
    assert_eq!(listed[0], (Some(67_000), 1000));
    service.local.shutdown().await;
}

#[tokio::test]
async fn a_live_playlist_states_a_length_that_no_stored_fragment_exceeds() {
    let service = Service::start(Quotas::Off).await;
    let start = service.now();
    // A fragment of 4 s, and then six of 1 s.
    let (mut put, mut media) = (Put::open(service.local.address(), "door", "").await, Media::playable());
    put.send(&media.header()).await;
    put.send(&media.slow_fragment(start - 10_000, 1000)).await;
    for second in (1..=6).rev() {
        put.send(&media.fragment(start - second * 1000, &[])).await;
    }
    put.end().await;
    put.rest().await;
    let playlist = service.begin("HLS", 300).await.replace("Master", "Media") + "&TrackNumber=1";
    let text = String::from_utf8(service.get(&playlist).await.body.to_vec()).unwrap();
    assert!(text.contains("#EXT-X-TARGETDURATION:4\n") && !text.contains("#EXTINF:4.0"), "{text}");
    service.local.shutdown().await;
}
