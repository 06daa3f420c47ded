//! A stream of images has exactly one item for each timestamp, whatever the service does.

#![expect(clippy::unwrap_used, reason = "a test panics")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kvs_images::{ImageAt, ImageError, ImageFailure, ImagesExt, Pace};
use kvs_types::__internal::{epoch_millis, from_epoch_millis};
use proptest::prelude::*;
use support::{Model, Quirks};

const START: u64 = 1_700_000_000_000;

async fn collect(model: &Arc<Model>, length: u64, step: u64) -> Vec<ImageAt> {
    let stream: kvs_aws::StreamId = "cam".parse().unwrap();
    let range = from_epoch_millis(START)..from_epoch_millis(START + length);
    let images = model.client().images(stream).range(range).every(Duration::from_millis(step)).pace(Pace::Unlimited);
    images.stream().unwrap().collect().await
}

/// The expected result, computed from the model without a client.
fn expected(model: &Model, length: u64, step: u64) -> Vec<(u64, Option<String>)> {
    let instants = (START..START + length).step_by(usize::try_from(step).unwrap());
    instants.map(|at| (at, model.image_text(at, 0))).collect()
}

fn seen(items: Vec<ImageAt>) -> Vec<(u64, Option<String>)> {
    let text = |item: ImageAt| match item.content {
        Ok(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        Err(ImageFailure::Service(ImageError::NoMedia)) => None,
        Err(other) => panic!("{other}"),
    };
    items.into_iter().map(|item| (epoch_millis(item.at), text(item))).collect()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Fragments of 0.3 to 20 s with gaps between them; the first starts anywhere around the start of the range.
fn fragments() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let pieces = prop::collection::vec((300_u64..20_000, prop_oneof![3 => Just(0), 1 => 1_u64..60_000]), 0..40);
    (0_u64..40_000, pieces).prop_map(|(lead, pieces)| {
        let mut at = START - 20_000 + lead;
        let mut fragments = Vec::new();
        for (length, hole) in pieces {
            fragments.push((at, length));
            at += length + hole;
        }
        fragments
    })
}

fn quirks() -> impl Strategy<Value = Quirks> {
    (1_usize..30, any::<bool>(), any::<bool>(), prop_oneof![Just(0), 8_usize..20]).prop_map(
        |(page, end_counts, seams_overlap, fault_every)| Quirks {
            page,
            end_counts,
            seams_overlap,
            fault_every,
            ..Quirks::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_timestamp_has_exactly_one_item(
        fragments in fragments(), quirks in quirks(), length in 1_u64..700_000, step in 200_u64..20_000,
    ) {
        let model = Model::new(fragments, quirks);
        prop_assert_eq!(seen(run(collect(&model, length, step))), expected(&model, length, step));
    }

    #[test]
    fn finds_a_first_timestamp_inside_a_fragment(
        fragments in fragments(), length in 1_u64..100_000, step in 200_u64..200_000,
    ) {
        let model = Model::new(fragments, Quirks { loses_partial_fragment: true, ..Quirks::default() });
        prop_assert_eq!(seen(run(collect(&model, length, step))), expected(&model, length, step));
    }

    #[test]
    fn accepts_frame_times_instead_of_requested_timestamps(
        fragments in fragments(), length in 1_u64..100_000, step in 200_u64..5_000, apart in 1_u64..4_000,
    ) {
        let model = Model::new(fragments, Quirks { frame_times: Some(apart), ..Quirks::default() });
        prop_assert_eq!(seen(run(collect(&model, length, step))), expected(&model, length, step));
    }
}

#[test]
fn one_call_returns_more_than_20_images() {
    let day = 86_400_000;
    let model = Model::new((0..day / 2_000).map(|n| (START + n * 2_000, 2_000)).collect(), Quirks::default());
    let items = run(collect(&model, day, 10_000));
    assert_eq!(items.len(), 8_640);
    assert!(items.iter().all(|item| item.content.is_ok()));
    let calls = model.count("/getImages");
    assert!(calls * 20 <= 8_640, "{calls} calls");
    assert!(model.count("/getDataEndpoint") <= 4, "the endpoint is kept");
}

#[test]
fn a_failed_page_fails_only_its_own_timestamps() {
    let model = Model::new(vec![(START, 900_000)], Quirks::default());
    // GetDataEndpoint and page 1 succeed; page 2 of the first window fails permanently.
    let rejected = (400, r#"{"__type":"InvalidArgumentException","Message":"no such token"}"#);
    model.script.lock().unwrap().extend([None, None, Some(rejected)]);
    let stream: kvs_aws::StreamId = "cam".parse().unwrap();
    let images = model.client().images(stream).range(from_epoch_millis(START)..from_epoch_millis(START + 600_000));
    let images = images.every(Duration::from_secs(3)).concurrency(1).pace(Pace::Unlimited);
    let items: Vec<ImageAt> = run(images.stream().unwrap().collect());
    assert_eq!(items.len(), 200);
    assert!(items[..25].iter().all(|item| item.content.is_ok()));
    assert!(items[25..].iter().all(|item| matches!(item.content, Err(ImageFailure::Call(_)))));
    assert_eq!(model.count("/getImages"), 2, "a call that would fail again is not repeated");
}

#[test]
fn failures_stay_with_their_timestamps() {
    let model = Model::new(vec![], Quirks::default());
    let page = r#"{"Images":[{"TimeStamp":1.7E9,"Error":"MEDIA_ERROR","ImageContent":null},
        {"TimeStamp":1.700000001E9,"ImageContent":"!!"},{"TimeStamp":1700000002,"Error":"BRAND_NEW"},
        {"TimeStamp":1700000003,"ImageContent":"aGk="}],"NextToken":null,"Extra":{}}"#;
    model.script.lock().unwrap().extend([None, Some((200, page))]);
    let items = run(collect(&model, 5_000, 1_000));
    let contents: Vec<_> = items.into_iter().map(|item| item.content).collect();
    assert_eq!(
        contents,
        [
            Err(ImageFailure::Service(ImageError::MediaError)),
            Err(ImageFailure::NotBase64 { chars: 2 }),
            Err(ImageFailure::Service(ImageError::Other("BRAND_NEW".into()))),
            Ok("hi".into()),
            Err(ImageFailure::NotAnswered),
        ]
    );
}

#[test]
fn a_wrong_endpoint_is_an_error_and_not_an_empty_range() {
    let model = Model::new(vec![], Quirks::default());
    let unknown = r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;
    model.script.lock().unwrap().extend([None, Some((200, unknown))]);
    let items = run(collect(&model, 200, 200));
    let Err(ImageFailure::Call(error)) = &items[0].content else { panic!("{items:?}") };
    assert_eq!(error.service().unwrap().kind, kvs_aws::ServiceErrorKind::UnknownOperation);
}

#[test]
fn nearest_and_latest_find_existing_fragments() {
    let model = Model::new(vec![(START, 2_000), (START + 60_000, 2_000)], Quirks::default());
    let images = || model.client().images("cam".parse::<kvs_aws::StreamId>().unwrap()).pace(Pace::Unlimited);
    let nearest = |at| run(images().nearest(from_epoch_millis(at))).unwrap().map(|item| epoch_millis(item.at));
    assert_eq!(nearest(START + 500), Some(START + 500));
    assert_eq!(nearest(START + 40_000), Some(START + 60_000));
    assert_eq!(nearest(START + 10_000_000), None);
    let latest = |at| run(images().latest(from_epoch_millis(at))).unwrap().map(|item| epoch_millis(item.at));
    assert_eq!(latest(START + 70_000), Some(START + 60_000));
    assert_eq!(latest(START + 50_000_000), Some(START + 60_000));
    assert_eq!(latest(START + 500_000_000), None);
}

#[test]
fn rejects_invalid_requests_before_sending() {
    let model = Model::new(vec![], Quirks::default());
    let images = || model.client().images("cam".parse::<kvs_aws::StreamId>().unwrap());
    let range = from_epoch_millis(START)..from_epoch_millis(START + 1_000);
    let rejection = |images: kvs_images::Images| images.stream().err().unwrap().to_string();
    assert_eq!(rejection(images()), "StartTimestamp: a range must be set");
    let backwards = images().range(range.end..range.start);
    assert_eq!(rejection(backwards), "EndTimestamp: the end must be after the start");
    let fast = images().range(range.clone()).every(Duration::from_millis(199));
    assert_eq!(rejection(fast), "SamplingInterval: must be 200 to 2147483647, got 199");
    assert!(rejection(images().range(range.clone()).every(Duration::from_micros(200_500))).contains("whole number"));
    assert_eq!(rejection(images().range(range.clone()).size(0, 10)), "WidthPixels: must be 1 to 3840, got 0");
    assert_eq!(rejection(images().range(range).jpeg(0)), "JPEGQuality: must be 1 to 100, got 0");
    assert!(model.calls.lock().unwrap().is_empty());
}
