//! Configuration files as people write them: each error names the member, the value and what is accepted. And streams of
//! another region than the client's.

use crate::support;
use kvs_aws::{
    ApiName, CreateStream, DeleteStream, DescribeStream, Error, ImageGenerationConfiguration, ListTagsForStream,
    NotificationConfiguration, StreamArn, StreamId, UpdateConfiguration, UpdateImageGenerationConfiguration,
};
use support::{Scripted, client, ok};

const NUMBER: &str = include_str!("../text/num_quality.json");
const LOWER_CASE: &str = include_str!("../text/lower_status.json");

fn problem(text: &str) -> String {
    UpdateImageGenerationConfiguration::from_json(text).unwrap_err().to_string()
}

#[test]
fn errors_name_the_member_the_value_and_what_is_accepted() {
    let good = NUMBER.replace(": 80", ": \"80\"");
    assert!(UpdateImageGenerationConfiguration::from_json(&good).is_ok());
    let member = "ImageGenerationConfiguration";
    assert_eq!(
        problem(NUMBER),
        format!("{member}.FormatConfig.JPEGQuality: invalid type: integer `80`, expected a string, such as \"80\"")
    );
    let status = format!("{member}.Status: unknown variant `enabled`, expected `ENABLED` or `DISABLED`");
    assert_eq!(problem(LOWER_CASE), status);
    let cases = [
        ("\"PRODUCER_TIMESTAMP\"", "7", format!("{member}.ImageSelectorType: invalid type")),
        ("3000", "\"3000\"", format!("{member}.SamplingInterval: invalid type: string \"3000\", expected u32")),
        ("3000", "-5", format!("{member}.SamplingInterval: invalid value: integer `-5`, expected u32")),
        ("640", "null", "WidthPixels: width and height must be given both or neither".to_owned()),
        ("\"door\"", "[]", "StreamName: invalid type: sequence, expected a string".to_owned()),
        ("\"door\"", "\"a b\"", "StreamName: must consist of letters a-z A-Z, digits".to_owned()),
        ("s3://test-bucket/camera_102", "x", "Uri: must be a destination such as s3://bucket, got \"x\"".to_owned()),
        ("\"Format\"", "\"format\"", format!("{member}: missing field `Format`")),
    ];
    for (from, to, expected) in cases {
        let found = problem(&good.replacen(from, to, 1));
        assert!(found.starts_with(&expected), "{from} as {to}: {found}");
    }
    let unknown = good.replacen("\"Format\":", "\"Colour\": 1, \"Format\":", 1);
    assert_eq!(problem(&unknown), format!("unknown member {member}.Colour"));
    assert_eq!(problem("{}"), "StreamName or StreamARN is missing");
    assert_eq!(problem("[]"), "StreamName or StreamARN is missing");
    assert_eq!(problem(r#"{"StreamName": "door"}"#), format!("{member} is missing"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_json() {
    let good = format!("\u{feff}{}", NUMBER.replace(": 80", ": \"80\""));
    assert!(UpdateImageGenerationConfiguration::from_json(&good).is_ok());
    assert!(problem(&format!("\u{feff}{NUMBER}")).contains("FormatConfig.JPEGQuality"));
    let topic = r#"{"StreamName": "door", "NotificationConfiguration": {"Status": "ENABLED", "DestinationConfig":
        {"Uri": "arn:aws:sns:eu-west-1:111122223333:t"}}}"#;
    assert!(UpdateConfiguration::<NotificationConfiguration>::from_json(&format!("\u{feff}{topic}")).is_ok());
}

#[tokio::test]
async fn an_arn_of_another_region_is_refused_before_it_is_sent() {
    let server = Scripted::start(|_, _| ok(r#"{"StreamInfo":{}}"#)).await;
    let client = client(&server.url);
    let arn = StreamArn::new("arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1650000000000").unwrap();
    let stream = StreamId::Arn(arn.clone());
    let images = ImageGenerationConfiguration::new("s3://bucket", "eu-west-1");
    let errors: [Option<Error>; 5] = [
        client.send(DescribeStream::new(stream.clone())).await.err(),
        client.send(DeleteStream::new(arn)).await.err(),
        client.send(ListTagsForStream::new(stream.clone())).await.err(),
        client.send(UpdateConfiguration::new(stream.clone(), images)).await.err(),
        client.data_endpoint(&stream, &ApiName::PutMedia).await.err(),
    ];
    for error in errors {
        let expected = "StreamARN: names a stream in us-west-2, and the client asks eu-west-1: use a client of the \
                        stream's region";
        assert_eq!(error.unwrap().to_string(), expected);
    }
    assert_eq!(server.seen().len(), 0);
    let here = "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/door/1650000000000".parse().unwrap();
    client.send(DescribeStream::new(here)).await.unwrap();
    let _ = client.send(CreateStream::new("door".parse().unwrap())).await;
    assert_eq!(server.seen().len(), 2);
}
