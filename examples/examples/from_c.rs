//! `KvsVideoOnlyRealtimeStreamingSample` of the C producer SDK, call by call: a folder of frames, 25 in a second, as live video.
//!
//! ```text
//! cargo run -p kvs-examples --example from_c -- front-door samples/h264SampleFrames 20
//! ```

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_producer::codec::{h264, nal};
use kvs_producer::{
    Client, ClientConfig, CodecId, Event, FragmentTag, Frame, ImageGeneration, NewStream, Notification, Producer,
    ProducerConfig, StreamLookup, Track, TrackKind, TrackNumber,
};

const FRAME_TIME: Duration = Duration::from_millis(40);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, folder, seconds] = &arguments[..] else { return Err("usage: from_c STREAM FOLDER SECONDS".into()) };
    let files = frame_files(folder)?;

    // createDefaultCallbacksProviderWithAwsCredentials, with AWS_ACCESS_KEY_ID and so on; createKinesisVideoClient
    let client = Client::new(ClientConfig::from_env()?)?;
    // createRealtimeVideoStreamInfoProviderWithCodecs: retention, buffer duration, codec
    let retention = NewStream::new(Duration::from_secs(2 * 3600));
    let tracks = vec![Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264)];
    let config = ProducerConfig::new(stream, tracks)
        .stream_lookup(StreamLookup::CreateIfMissing(retention))
        .buffer_time(Duration::from_secs(120))
        // createDefaultDeviceInfo, storageInfo.storageSize
        .buffer_bytes(20 << 20);
    // createKinesisVideoStreamSync
    let producer = Producer::open(config, client).await?;

    // createStreamCallbacks, addStreamCallbacks: what calls back there is an event here.
    let mut events = producer.events();
    let watching = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                // fragmentAckReceivedFn with FRAGMENT_ACK_TYPE_PERSISTED
                Event::Persisted(persisted) => println!("persisted {} frames", persisted.span.frames),
                // droppedFrameReportFn, droppedFragmentReportFn
                Event::Lost(loss) => println!("lost {} frames: {}", loss.span.frames, loss.reason.name()),
                // streamErrorReportFn
                Event::Rejected { diagnosis, .. } => println!("refused: {diagnosis}"),
                _ => {}
            }
        }
    });

    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut clock = tokio::time::interval(FRAME_TIME);
    for index in 0..seconds.parse::<u32>()? * 25 {
        clock.tick().await;
        // readFrameData
        let data = Bytes::from(std::fs::read(&files[index as usize % files.len()])?);
        // frame.flags = FRAME_FLAG_KEY_FRAME
        let keyframe = h264::is_keyframe(nal::units(&data)?);
        // frame.trackId, frame.presentationTs, frame.frameData; putKinesisVideoFrame
        let frame = Frame::new(TrackNumber::ONE, start + FRAME_TIME * index, data).with_keyframe(keyframe);
        producer.put_frame(frame).await?;
        if keyframe {
            // putKinesisVideoFragmentMetadata(stream, "frame", value, FALSE)
            producer.put_tag(FragmentTag::once("frame", index.to_string()))?;
            // putKinesisVideoEventMetadata(stream, STREAM_EVENT_TYPE_NOTIFICATION | STREAM_EVENT_TYPE_IMAGE_GENERATION, NULL)
            producer.put_event(Notification::new())?;
            producer.put_event(ImageGeneration::new())?;
        }
    }

    // stopKinesisVideoStreamSync. Nothing is to be freed: the values free themselves.
    let report = producer.stop(Duration::from_secs(30)).await;
    watching.await?;
    println!("{} of {} frames persisted", report.totals.persisted.frames, report.totals.submitted.frames);
    if report.is_complete() { Ok(()) } else { Err("frames were lost".into()) }
}

/// The frames are files in the order of their names: frame-001.h264, frame-002.h264.
fn frame_files(folder: &str) -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "h264"));
    files.sort();
    if files.is_empty() { Err(format!("no .h264 files in {folder}").into()) } else { Ok(files) }
}
