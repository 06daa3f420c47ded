//! Decodes a page of 25 images of 200 kB, from the response body to the bytes of the images.
//!
//! Both clients alternate in one run. The measure is processor time; the minimum of many rounds counts, because every
//! disturbance adds time.

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::AllocationInfo;
use aws_sdk_kinesisvideoarchivedmedia::operation::get_images::{GetImages, GetImagesOutput};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use cpu_time::ThreadTime;

const PICTURES: usize = 25;
const PICTURE_BYTES: usize = 200_000;
const ROUNDS: usize = 200;

/// A page like those of the service. Compressed images look like noise.
fn page() -> String {
    let mut chance = fastrand::Rng::with_seed(1);
    let mut picture = vec![0; PICTURE_BYTES];
    let images = (0..PICTURES).map(|number| {
        chance.fill(&mut picture);
        let content = base64_simd::STANDARD.encode_to_string(&picture);
        format!(r#"{{"Error":null,"ImageContent":"{content}","TimeStamp":{}.0}}"#, 1_700_000_000 + number)
    });
    format!(r#"{{"Images":[{}],"NextToken":null}}"#, images.collect::<Vec<_>>().join(","))
}

fn ours(body: &[u8]) -> usize {
    let page = kvs_aws::__internal::parse_page("GetImages", body).expect("a page");
    page.images.iter().map(|image| image.content.as_ref().expect("a picture").len()).sum()
}

/// The step of the SDK from a response to an output, without its client.
struct Sdk(ConfigBag);

impl Sdk {
    fn new() -> Self {
        let mut bag = ConfigBag::of_layers(vec![Layer::new("none")]);
        bag.push_shared_layer(GetImages::new().config().expect("the operation has a configuration"));
        Self(bag)
    }

    fn response(body: &str) -> HttpResponse {
        HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::from(body))
    }

    fn decode(&self, response: &HttpResponse) -> usize {
        let deserializer = self.0.load::<SharedResponseDeserializer>().expect("the operation reads responses");
        let output = deserializer.deserialize_nonstreaming_with_config(response, &self.0);
        let output: GetImagesOutput = output.ok().and_then(|output| output.downcast().ok()).expect("a page");
        let pictures = output.images().iter().map(|image| base64::decode(image.image_content().expect("a picture")));
        pictures.map(|picture| black_box(picture.expect("base64")).len()).sum()
    }
}

struct Least(Duration);

impl Least {
    fn time(&mut self, work: impl FnOnce() -> usize) {
        let start = ThreadTime::now();
        assert_eq!(black_box(work()), PICTURES * PICTURE_BYTES);
        self.0 = self.0.min(start.elapsed());
    }
}

fn row(name: &str, least: &Least, allocations: &AllocationInfo, sdk: &Least) {
    println!(
        "| {name} | {:.2} ms | {:.1}x | {} | {:.1} MB |",
        least.0.as_secs_f64() * 1e3,
        sdk.0.as_secs_f64() / least.0.as_secs_f64(),
        allocations.count_total,
        allocations.bytes_total as f64 / 1e6,
    );
}

fn main() {
    let page = page();
    let (sdk, response) = (Sdk::new(), Sdk::response(&page));
    let (mut our_time, mut sdk_time) = (Least(Duration::MAX), Least(Duration::MAX));
    for _ in 0..ROUNDS {
        our_time.time(|| ours(black_box(page.as_bytes())));
        sdk_time.time(|| sdk.decode(black_box(&response)));
    }
    let our_allocations = allocation_counter::measure(|| {
        black_box(ours(page.as_bytes()));
    });
    let sdk_allocations = allocation_counter::measure(|| {
        black_box(sdk.decode(&response));
    });
    println!(
        "| {PICTURES} pictures of {PICTURE_BYTES} bytes | processor time | SDK / this | allocations | allocated |"
    );
    println!("|---|---|---|---|---|");
    row("kvs_aws::__internal::parse_page", &our_time, &our_allocations, &sdk_time);
    row("aws-sdk-kinesisvideoarchivedmedia and its base64", &sdk_time, &sdk_allocations, &sdk_time);
}
