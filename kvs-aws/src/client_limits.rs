//! The limits that this crate sets itself, each with its reason. Those of the service are in [`kvs_types::limits`].

use std::time::Duration;

/// Largest response body of an ordinary call in memory: 16 MiB. A page of 10,000 streams has about 5 MB.
pub(crate) const RESPONSE_BYTES: usize = 16 << 20;
/// Largest response body of GetImages in bytes: 25 images of the largest base64 text, and a little JSON.
pub(crate) const IMAGE_PAGE_BYTES: usize =
    kvs_types::limits::GET_IMAGES_RESULTS as usize * kvs_types::limits::IMAGE_CONTENT_CHARS + (64 << 10);
/// Largest error body in memory: 64 KiB. Real ones have less than 1 kB.
pub(crate) const ERROR_BYTES: usize = 64 << 10;
/// Longest error message kept, in characters.
pub const ERROR_MESSAGE_CHARS: usize = 2_048;
/// How long a data endpoint is cached: 40 min, as in AWS's C producer.
pub(crate) const ENDPOINT_CACHE: Duration = Duration::from_secs(40 * 60);
/// Most data endpoints cached in one client.
pub(crate) const ENDPOINT_CACHE_ENTRIES: usize = 10_000;
/// Largest PEM file of trust roots: 8 MiB. The bundle of an operating system has about 200 kB.
pub(crate) const CA_BUNDLE_BYTES: u64 = 8 << 20;
/// Largest PEM file with a device's certificate chain or private key: 64 KiB. Real ones have 1 to 4 kB.
#[cfg(feature = "iot")]
pub(crate) const IDENTITY_BYTES: u64 = 64 << 10;
/// Longest role alias in characters (API reference of AWS IoT, CreateRoleAlias).
#[cfg(feature = "iot")]
pub(crate) const ROLE_ALIAS_CHARS: usize = 128;
/// Longest thing name in characters (API reference of AWS IoT, CreateThing).
#[cfg(feature = "iot")]
pub(crate) const THING_NAME_CHARS: usize = 128;
/// Largest response head of a proxy: 8 KiB. Real ones have less than 500 bytes.
pub(crate) const PROXY_HEAD_BYTES: usize = 8 << 10;
/// Messages queued between [`PutMediaSender`](crate::PutMediaSender) and the socket.
pub(crate) const PUT_MEDIA_QUEUE: usize = 8;
