//! Whatever comes in, nothing panics, and what is understood holds together.
#![cfg(all(feature = "sns", feature = "s3", feature = "sqs", feature = "eventbridge", feature = "lambda"))]

use kvs_notify::{ImageMetadata, ImageObjectKey, SnsMessage, decode};
use proptest::prelude::*;

/// Documents of every form, to be damaged.
const DOCUMENTS: [&str; 6] = [
    r#"{"StreamArn":"arn:aws:kinesisvideo:us-west-2:111122223333:stream/d/1","FragmentNumber":"9134","FragmentStartProducerTimestamp":1694038298246,"FragmentStartServerTimestamp":1694038247180,"NotificationType":"PERSISTED","NotificationPayload":{"a":"b"}}"#,
    r#"{"Type":"Notification","MessageId":"2","TopicArn":"arn:aws:sns:us-west-2:1:c","Subject":"s","Message":"{\"Event\":\"s3:TestEvent\",\"Bucket\":\"b\"}","Timestamp":"2022-04-25T18:36:29.194Z","SignatureVersion":"1","Signature":"EX","SigningCertURL":"https://x/y.pem"}"#,
    r#"{"Records":[{"Sns":{"Type":"Notification","MessageId":"2","TopicArn":"t","Subject":null,"Message":"{}","Timestamp":"2022-04-25T18:36:29.194Z","SignatureVersion":"1","Signature":"EX","SigningCertUrl":"u"}}]}"#,
    r#"{"Records":[{"messageId":"m","body":"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"a%2Bb\",\"size\":1}}}]}"}]}"#,
    r#"{"Records":[{"eventVersion":"2.1","eventTime":"1970-01-01T00:00:00.000Z","eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"b"},"object":{"key":"k","sequencer":"0A"}}}]}"#,
    r#"{"detail-type":"Object Created","source":"aws.s3","time":"2021-11-12T00:00:00Z","detail":{"bucket":{"name":"b"},"object":{"key":"k","size":1,"etag":"e"},"reason":"PutObject"}}"#,
];

/// Some bytes of a document set to others, swapped for a piece of it, or cut off.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6);
    (prop::sample::select(DOCUMENTS.as_slice()), damage).prop_map(|(document, damage)| {
        let mut bytes = document.as_bytes().to_vec();
        for (at, byte, cut) in damage {
            let at = at.index(bytes.len());
            if cut && at > bytes.len() / 2 {
                bytes.truncate(at);
            } else {
                bytes[at] = byte;
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_documents_never_panic(document in damaged()) {
        if let Ok(delivery) = decode(&document) {
            for event in delivery.objects() {
                let _ = event.image_key();
                prop_assert!(event.key.len() <= document.len());
            }
            prop_assert!(delivery.refused().count() <= delivery.messages.len());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(document in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&document);
    }

    #[test]
    fn an_sns_message_of_any_text_survives_and_signs_the_same(message in ".{0,80}", subject in prop::option::of(".{0,20}"), id in ".{0,20}") {
        let stamp = "2022-04-25T18:36:29.194Z".parse().unwrap();
        let mut notification = kvs_notify::SnsNotification::new(id, "arn:aws:sns:us-west-2:111122223333:c", message, stamp);
        notification.subject = subject;
        let message = SnsMessage::Notification(notification);
        let back: SnsMessage = serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
        prop_assert_eq!(back.string_to_sign(), message.string_to_sign());
        prop_assert_eq!(back, message);
    }

    #[test]
    fn arbitrary_keys_never_panic(key in ".{0,120}") {
        let _ = ImageObjectKey::parse(&key);
    }

    #[test]
    fn arbitrary_metadata_never_panics(
        headers in prop::collection::vec(("(x-amz-meta-)?(aws_kinesisvideo_(fragment_number|server_timestamp|producer_timestamp)|.{0,9})", ".{0,40}|[0-9]{0,25}"), 0..6),
    ) {
        let _ = ImageMetadata::from_headers(headers);
    }
}
