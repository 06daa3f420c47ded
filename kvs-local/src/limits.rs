//! Limits of the local service that are not rules about fragments, with their sources.
//!
//! Rules about fragments are in [`kvs_types::limits`]. Unless another source is named, a limit is the botocore model's
//! of 2017-09-30 or the quotas page, <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>.

use std::time::Duration;

/// Characters of a stream's name.
pub const STREAM_NAME: usize = kvs_types::limits::STREAM_NAME_CHARS;
/// Characters of a device's name.
pub const DEVICE_NAME: usize = kvs_types::limits::DEVICE_NAME_CHARS;
/// Characters of an ARN.
pub const ARN: usize = kvs_types::limits::STREAM_ARN_CHARS;
/// Characters of a stream's version.
pub const VERSION: usize = kvs_types::limits::STREAM_VERSION_CHARS;
/// Characters of a media type.
pub const MEDIA_TYPE: usize = kvs_types::limits::MEDIA_TYPE_CHARS;
/// Characters of a KMS key's name.
pub const KMS_KEY: usize = kvs_types::limits::KMS_KEY_ID_CHARS;
/// Characters of a paging token of the control plane.
pub const CONTROL_TOKEN: usize = kvs_types::limits::CONTROL_PLANE_TOKEN_CHARS;
/// Characters of a destination's URI.
pub const DESTINATION_URI: usize = kvs_types::limits::DESTINATION_URI_CHARS;
/// Tags of a stream.
pub const STREAM_TAGS: usize = kvs_types::limits::STREAM_TAGS;
/// Characters of a stream tag's key.
pub const STREAM_TAG_KEY: usize = kvs_types::limits::STREAM_TAG_KEY_CHARS;
/// Characters of a stream tag's value.
pub const STREAM_TAG_VALUE: usize = kvs_types::limits::STREAM_TAG_VALUE_CHARS;
/// Streams on one page of ListStreams.
pub const LIST_STREAMS_PAGE: u64 = kvs_types::limits::LIST_STREAMS_RESULTS as u64;
/// Streams of an account in a region.
pub const STREAMS: usize = kvs_types::limits::STREAMS_PER_ACCOUNT;
/// Longest retention: 10 years, in hours.
pub const RETENTION_HOURS: u64 = kvs_types::limits::RETENTION_HOURS as u64;
/// Widest image.
pub const IMAGE_WIDTH: u64 = *kvs_types::limits::IMAGE_WIDTH_PIXELS.end() as u64;
/// Highest image.
pub const IMAGE_HEIGHT: u64 = *kvs_types::limits::IMAGE_HEIGHT_PIXELS.end() as u64;
/// Shortest sampling interval of images today.
pub const SAMPLING_INTERVAL_MS: u64 = kvs_types::limits::SAMPLING_INTERVAL_MILLIS as u64;
/// Shortest sampling interval of images in 2022.
pub const SAMPLING_INTERVAL_MS_2022: u64 = kvs_types::limits::SAMPLING_INTERVAL_MILLIS_2022 as u64;
/// Sampling interval of GetImages when none is asked for, by the SDK documentation of 2023.
pub const SAMPLING_INTERVAL_MS_DEFAULT: u64 = kvs_types::limits::SAMPLING_INTERVAL_MILLIS_DEFAULT as u64;
/// Images on a page of GetImages; more may be asked for and are not given.
pub const IMAGES_PAGE: u64 = kvs_types::limits::GET_IMAGES_RESULTS as u64;
/// Images on a page of GetImages in 2022, and the most that may be asked for today.
pub const IMAGES_PAGE_2022: u64 = kvs_types::limits::GET_IMAGES_MAX_RESULTS as u64;
/// Longest range of GetImages: 300 s.
pub const IMAGES_RANGE_MS: u64 = kvs_types::limits::GET_IMAGES_RANGE.as_millis() as u64;
/// Characters of one image in GetImages' answer.
pub const IMAGE_CONTENT: usize = kvs_types::limits::IMAGE_CONTENT_CHARS;
/// Bytes of all images of one answer: 100 MB.
pub const IMAGES_RESPONSE: usize = kvs_types::limits::GET_IMAGES_RESPONSE_BYTES;

/// Maximum difference between the date of a signature and the clock of the service: 5 minutes, as its error messages say.
pub const CLOCK_SKEW: Duration = kvs_types::limits::CLOCK_SKEW;
/// Longest life of a presigned request: 7 days, by the SigV4 specification.
pub const PRESIGNED_LIFE: Duration = kvs_types::limits::PRESIGNED_EXPIRES;

/// Largest JSON body: our choice. The largest legal request is GetMediaForFragmentList's 1,000 numbers of 128 digits.
pub const JSON_BODY: usize = 1 << 20;
/// Bytes of all bodies whose signature is not verified yet: our choice. Further ones are refused with status 503.
pub const UNVERIFIED_BYTES: usize = 16 << 20;
/// Bytes of each body that do not count as such: our choice. All requests but long lists of fragments are smaller.
pub const UNVERIFIED_FREE: usize = 4 << 10;
/// How long a JSON body may take to arrive: our choice.
pub const JSON_BODY_TIME: Duration = Duration::from_secs(20);
/// Request head: line and headers together, and the read buffer of a connection. Our choice; session tokens take up to 10 kB.
pub const HEAD_BYTES: usize = 64 << 10;
/// Headers of a request: our choice.
pub const HEADERS: usize = 100;
/// How long a connection may take for a request's head, and how long it may stay idle between requests: our choice.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take: our choice.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Time after which a client that accepts no byte is disconnected: our choice.
pub const WRITE_STALL: Duration = Duration::from_secs(60);
/// Time for which the rest of a refused request's body is discarded, so that the client can read the refusal: our choice.
pub const REFUSED_DRAIN: Duration = Duration::from_millis(500);
/// Connections at a time; more wait in the system's queue. Our choice.
pub const CONNECTIONS: usize = 16_384;
/// How long open requests may take to end when the service stops: our choice.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Time for which media of a stream without retention can be read, by the API reference of CreateStream: 5 minutes.
pub const UNKEPT_TIME: Duration = kvs_types::limits::UNRETAINED_MEDIA;
/// Bytes of media of a stream without retention that can be read, by the same page: 200 MB.
pub const UNKEPT_BYTES: u64 = kvs_types::limits::UNRETAINED_MEDIA_BYTES;
/// Interval at which media past its retention is removed: our choice. It is not served in the meantime.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(60);
/// How long a client that waits for `100 Continue` may hold up the head of the answer: our choice.
pub const CONTINUE_TIME: Duration = Duration::from_millis(20);
/// Ack lines that wait for a client to read them: our choice.
pub const WAITING_ACKS: usize = 64;
/// How far ahead of the clock the server timestamp in a fragment number may be, in ms: our choice, the accepted clock skew.
pub const FRAGMENT_NUMBER_AHEAD_MS: u64 = 5 * 60 * 1000;
/// GetImages requests that run at a time: our choice. Each uses all cores, and memory for its decoders.
pub const IMAGE_REQUESTS: usize = 4;
/// GetMedia connections of a stream at a time.
pub const READERS: usize = kvs_types::limits::GET_MEDIA_CONNECTIONS;
/// GetMediaForFragmentList connections of a stream at a time.
pub const LIST_READERS: usize = kvs_types::limits::FRAGMENT_LIST_CONNECTIONS;
/// Bytes per second that PutMedia reads from a connection with [`Quotas::Service`](crate::Quotas::Service): 100 Mbit/s.
pub const INGRESS_RATE: u64 = kvs_types::limits::INGRESS_BYTES_PER_SECOND;
/// Bytes per second that GetMedia and GetMediaForFragmentList send on a connection with `Quotas::Service`.
pub const EGRESS_RATE: u64 = kvs_types::limits::EGRESS_BYTES_PER_SECOND;
/// Fragments per second that GetMedia sends on a connection with `Quotas::Service`.
pub const FRAGMENT_RATE: u64 = kvs_types::limits::FRAGMENTS_PER_SECOND as u64;
/// Points of fragment metadata per second and stream with `Quotas::Service`. ListFragments takes one per entry of its page,
/// GetImages 400 plus one per image of its page.
pub const METADATA_POINTS: u64 = kvs_types::limits::METADATA_POINTS_PER_SECOND as u64;
/// Metadata points that GetImages takes in addition to its page.
pub const IMAGES_POINTS: u64 = kvs_types::limits::METADATA_POINTS_PER_GET_IMAGES as u64;
/// Points of fragment media per second and stream with `Quotas::Service`. GetMediaForFragmentList takes one per fragment,
/// GetImages one per image of its page.
pub const MEDIA_POINTS: u64 = kvs_types::limits::MEDIA_POINTS_PER_SECOND as u64;
/// How long a stream stays CREATING, UPDATING or DELETING with `--as-aws`: our choice, a few seconds are usual.
pub const AS_AWS_TRANSITION: Duration = Duration::from_secs(2);
/// How long image and notification configuration takes to become effective with `--as-aws`: at least a minute by the developer
/// guide.
pub const AS_AWS_CONFIGURATION: Duration = Duration::from_secs(60);
/// Pieces of media that wait for a client to read them: our choice. A piece is at most a fragment.
pub const WAITING_PIECES: usize = 2;
/// How long stopping may take in all, including images and messages that are being delivered: our choice.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
/// What is left of [`STOP_GRACE`] for images and messages at least: our choice.
pub const DELIVERY_GRACE: Duration = Duration::from_secs(5);
/// The end of [`STOP_GRACE`], in which canceled work ends: one picture of the largest size. Our choice.
pub const CANCEL_GRACE: Duration = Duration::from_secs(2);
/// The end of [`CANCEL_GRACE`], in which work that has still not ended is reported as canceled: our choice.
pub const ABANDON_GRACE: Duration = Duration::from_millis(500);

/// A GetMedia body ends when no fragment became available for this long: about 3 s by the API reference of GetMedia.
pub const LIVE_EDGE_WAIT: Duration = Duration::from_secs(3);
/// Fragments of one GetMediaForFragmentList call, by its API reference.
pub const FRAGMENT_LIST: usize = kvs_types::limits::FRAGMENT_LIST_NUMBERS;
/// Largest page of ListFragments, by its API reference.
pub const LIST_FRAGMENTS_PAGE: usize = kvs_types::limits::LIST_FRAGMENTS_RESULTS as usize;
/// Page size of ListFragments when the request has no `MaxResults`. The service documents none; 100 has been quoted.
pub const LIST_FRAGMENTS_PAGE_DEFAULT: usize = 100;
/// Characters of a paging token, by the API reference of ListFragments.
pub const LIST_FRAGMENTS_TOKEN: usize = kvs_types::limits::ARCHIVED_MEDIA_TOKEN_CHARS;
/// Characters of a continuation token, by the API reference of GetMedia.
pub const CONTINUATION_TOKEN: usize = kvs_types::limits::CONTINUATION_TOKEN_CHARS;
