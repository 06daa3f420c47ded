//! The same calls as `put_frame.py` makes, from Rust: what the producer itself takes for a frame.
//!
//! Usage: put_frame URL CODEC SIZE ROUNDS FRAMES. Prints the nanoseconds for a frame of each round.

use std::error::Error;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use kvs_aws::{Client, ClientConfig, Region};
use kvs_mkv::codec::g711;
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_producer::{NewStream, Producer, ProducerConfig, StreamLookup};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, codec, size, rounds, frames] = arguments.as_slice() else {
        return Err("see the first lines of the source".into());
    };
    let (size, rounds, frames) = (size.parse::<usize>()?, rounds.parse::<u32>()?, frames.parse::<u32>()?);

    // One thread drives the connection, as in the package.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));

    let keys = Credentials::new("kvs-local", "kvs-local-secret", None, None, "measure");
    let client = Client::new(ClientConfig::new(Region::new("us-west-2")?, keys).endpoint_url(url)?)?;
    let track = match codec.as_str() {
        "h264" => {
            Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(Bytes::from_static(AVCC))
        }
        _ => g711::track(TrackNumber::ONE, g711::Law::A, 8000, 1),
    };
    let config = ProducerConfig::new(format!("rust-{codec}-{size}"), vec![track])
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(3600))))
        .buffer_bytes(1 << 30)
        .buffer_time(Duration::from_secs(3600));
    let open = handle.spawn(async move { Producer::open(config, client).await });
    let producer = handle.block_on(open)??;

    let payload = |keyframe: bool| match codec.as_str() {
        "h264" => {
            let mut picture = u32::try_from(size - 4).unwrap_or(u32::MAX).to_be_bytes().to_vec();
            picture.push(if keyframe { 0x65 } else { 0x41 });
            picture.resize(size, 0x9a);
            Bytes::from(picture)
        }
        _ => Bytes::from(vec![0xd5; size]),
    };
    let start = SystemTime::UNIX_EPOCH.elapsed()? - Duration::from_secs(3000);
    producer.try_put_frame(
        Frame::new(TrackNumber::ONE, start - Duration::from_secs(1), payload(true)).with_keyframe(true),
    )?;
    let payload = payload(false);
    for round in 0..rounds {
        let began = Instant::now();
        for n in 0..frames {
            let pts = start + Duration::from_millis(20) * (round * frames + n);
            producer
                .try_put_frame(Frame::new(TrackNumber::ONE, pts, payload.clone()).with_keyframe(codec != "h264"))?;
        }
        println!("{}", began.elapsed().as_nanos() / u128::from(frames));
    }
    std::process::exit(0);
}

/// Baseline profile, 160x120, from an encoder.
const AVCC: &[u8] = b"\x01\x42\xc0\x0a\xff\xe1\x00\x16\x67\x42\xc0\x0a\xda\x02\x80\xf7\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xa3\xc4\x89\xa8\x01\x00\x04\x68\xce\x3c\x80";
