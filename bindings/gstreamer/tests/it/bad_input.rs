//! What is wrong with properties, caps and credentials is one sentence.

use gst::prelude::*;

use crate::support::{Run, SINK, Service, VIDEO};

fn error_of(line: &str) -> String {
    let mut run = Run::new(line);
    let _ = run.pipeline.set_state(gst::State::Playing);
    run.finish().expect_err(line)
}

#[test]
fn properties_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let half = dir.path().join("credential");
    std::fs::write(&half, "CREDENTIALS AKIDONLY").unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let cases = [
        ("access-key=AKID".to_owned(), "access-key is set, but secret-key is not: set both or none"),
        ("secret-key=SECRET".to_owned(), "secret-key is set, but access-key is not: set both or none"),
        ("stream-name=\"a b\"".to_owned(), "property stream-name: StreamName: must consist of letters"),
        ("endpoint=nonsense".to_owned(), "nonsense"),
        (format!("credential-path={}", half.display()), "must be \"CREDENTIALS <access key> <secret key>\""),
        ("credential-path=/nonexistent".to_owned(), "/nonexistent: cannot be read"),
        (
            "iot-certificate=\"iot-certificate,endpoint=e,cert-path=/nonexistent\"".to_owned(),
            "property iot-certificate: /nonexistent: No such file",
        ),
        ("iot-certificate=\"iot-certificate,endpoint=e\"".to_owned(), "has no field cert-path"),
        ("ca-file=/nonexistent endpoint=https://127.0.0.1:9".to_owned(), "/nonexistent"),
        (format!("spool-dir={} ", file.display()), "file"),
        ("stream-tags=\"stream-tags,a=(int)1\" ".to_owned(), "field a is not a string"),
        (
            "track-name=a-name-of-more-than-thirty-two-bytes".to_owned(),
            "property track-name has 36 bytes, at most 32 are allowed",
        ),
    ];
    for (properties, expected) in cases {
        // Later properties win: nothing leaves this machine if a check is missing.
        let error = error_of(&format!("{VIDEO} ! {SINK} drain-timeout=0 endpoint=http://127.0.0.1:9 {properties}"));
        assert!(error.contains(expected), "{properties}: {error}");
        assert!(!error.contains('\n') && !error.contains("SECRET"), "{error}");
    }
}

#[test]
fn wrong_keys_are_an_error_with_the_words_of_the_service() {
    let service = Service::start();
    let line =
        format!("{VIDEO} ! {SINK} stream-name=s access-key=AKID secret-key=WORD endpoint={}", service.endpoint());
    let error = error_of(&line);
    assert!(error.starts_with("stream s: access denied: UnrecognizedClientException"), "{error}");
    assert!(!error.contains("WORD"));
}

#[test]
fn a_missing_stream_is_an_error_if_it_must_not_be_created() {
    let service = Service::start();
    let line = format!("{VIDEO} ! {SINK} stream-name=s allow-create-stream=false endpoint={}", service.endpoint());
    assert_eq!(error_of(&line), "stream s: not found: create it, or set allow-create-stream=true");
}

#[test]
fn secrets_do_not_read_back() {
    let service = Service::start();
    let sink = service.sink("s");
    for name in ["access-key", "secret-key", "session-token"] {
        assert_eq!(sink.property::<Option<String>>(name).unwrap_or_default(), "");
        sink.set_property(name, "THEWORD");
        assert_eq!(sink.property::<String>(name), "[redacted]");
    }
}

#[test]
fn a_second_video_pad_is_refused() {
    let service = Service::start();
    let sink = service.sink("s");
    assert!(sink.request_pad_simple("video_%u").is_some());
    assert!(sink.request_pad_simple("video_%u").is_none());
    assert!(sink.request_pad_simple("audio_%u").is_some());
}

#[test]
fn caps_without_what_a_decoder_needs_are_refused() {
    let service = Service::start();
    let sink = service.sink("s");
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = gst_check::Harness::with_element(&sink, Some("audio_0"), None);
    harness.set_src_caps_str("audio/mpeg,mpegversion=4,stream-format=raw,rate=8000,channels=1");
    let error = bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = error.view() else { unreachable!() };
    assert!(error.error().to_string().contains("have no codec_data: put aacparse in front"), "{}", error.error());
}

#[test]
fn bytes_without_times_are_one_error() {
    let service = Service::start();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let line = format!("filesrc location={file} ! {SINK} name=sink stream-name=s endpoint={}", service.endpoint());
    let mut run = Run::new(&line);
    let _ = run.pipeline.set_state(gst::State::Playing);
    let error = run.finish().unwrap_err();
    assert_eq!(error, "pad video_0 has a segment in Bytes, needs time: put a demuxer or a parser in front");
    std::thread::sleep(std::time::Duration::from_millis(100));
    let of_sink = |message: &gst::Message| message.src().is_some_and(|source| source.name() == "sink");
    let more = std::iter::from_fn(|| run.pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]));
    assert_eq!(more.filter(of_sink).count(), 0);
}

#[test]
fn what_is_not_persisted_is_told_with_the_reason() {
    let line = format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint=http://127.0.0.1:9 drain-timeout=1");
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    let warnings = run.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("the last attempt failed: ") && warnings[0].contains("refused"), "{warnings:?}");
}
