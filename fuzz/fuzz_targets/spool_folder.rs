//! Any bytes in the folder of a spool: a producer opens it, sends or reports what is sound, keeps its accounts, and stores more.
#![no_main]

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use kvs_producer::{
    BitstreamMode, CodecId, ControlResponse, Event, Frame, Overflow, ProducerConfig, ProducerCore, Spool, SpoolConfig,
    StreamLookup, Track, TrackKind, TrackNumber, Transmit,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, cut], rest)) = data.split_first_chunk::<2>() else { return };
    let dir = std::env::temp_dir().join(format!("kvs-fuzz-spool-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("the temporary folder can be written");
    let (segment, journal) = rest.split_at(rest.len() * usize::from(cut) / 255);
    let segment = match kind & 3 {
        0 => segment.to_vec(),
        1 => [header(), segment.to_vec()].concat(),
        // Sound checksums around any document.
        _ => [header(), record(segment, kind & 4 != 0)].concat(),
    };
    fs::write(dir.join("0000000000.seg"), segment).expect("the temporary folder can be written");
    if kind & 8 != 0 {
        fs::write(dir.join("0000000000.ack"), journal).expect("the temporary folder can be written");
    } else {
        fs::write(dir.join("0000000001.seg"), [header(), journal.to_vec()].concat()).expect("the folder can be written");
    }
    run(&dir);
    let recovered = run(&dir);
    assert!(recovered >= 1, "the frame of the first run is there");
    let _ = fs::remove_dir_all(&dir);
});

/// Opens the folder, sends into a connection that never acknowledges, puts a frame and stops. Returns what was recovered.
fn run(dir: &Path) -> u64 {
    let config = SpoolConfig::new(dir).bytes(1 << 20);
    // A folder of another stream is refused.
    let Ok(mut spool) = Spool::open(&config, "cam", Overflow::DropOldest) else { return 1 };
    let audio = Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::ACM).with_audio(8_000.0, 1, Some(16));
    let producer = ProducerConfig::new("cam", vec![audio])
        .stream_lookup(StreamLookup::FixedEndpoint("https://data".into()))
        .bitstream_mode(BitstreamMode::Passthrough)
        .spool(config);
    let now = Instant::now();
    let mut core = ProducerCore::new(producer, now, SystemTime::now()).expect("the configuration is valid");
    work(&mut core, &mut spool, now);
    let at = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is set");
    core.put_frame(Frame::new(TrackNumber::ONE, at, vec![1, 2, 3]), now).expect("the buffer is empty");
    core.finish(Some(now), now);
    work(&mut core, &mut spool, now);
    assert!(core.is_finished(), "the disk answered, so the stop is complete");
    let totals = core.stats().totals;
    assert_eq!(totals.held(), totals.spooled, "{totals:?}");
    while let Some(event) = core.poll_event() {
        if let Event::SpoolProblem(problem) = event {
            assert!(!problem.to_string().is_empty());
        }
    }
    totals.recovered.frames
}

fn work(core: &mut ProducerCore, spool: &mut Spool, now: Instant) {
    while let Some(transmit) = core.poll_transmit(now) {
        match transmit {
            Transmit::Spool(request) => {
                for response in spool.handle(request) {
                    core.handle_spool(response, now);
                }
            }
            Transmit::Control { id, .. } => {
                core.handle_response(id, ControlResponse::Credentials { lasts: None }, now);
            }
            Transmit::Open { session, .. } => core.handle_opened(session, now),
            Transmit::Body { session, chunks } => core.handle_sent(session, chunks.len(), now),
            _ => {}
        }
    }
}

fn header() -> Vec<u8> {
    let mut out = b"KVS-SPOOL SEG 1\n\x03\0\0\0cam".to_vec();
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// A record with right checksums: of the first bytes as the numbers of its head, and the rest as its document.
fn record(data: &[u8], all_of_head: bool) -> Vec<u8> {
    let mut numbers = [0; 44];
    let (head, document) = data.split_at(data.len().min(if all_of_head { 44 } else { 4 }));
    numbers[..head.len()].copy_from_slice(head);
    let mut out = b"KVSP".to_vec();
    out.extend_from_slice(&u32::try_from(document.len()).expect("inputs are short").to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(document).to_le_bytes());
    out.extend_from_slice(&numbers[..4]);
    // Start, latest, payload bytes, origin and number, then the end mark.
    out.extend_from_slice(&numbers[4..]);
    out.extend_from_slice(&[0; 60][out.len()..]);
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    out.extend_from_slice(document);
    out
}
