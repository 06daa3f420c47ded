//! Delivery for tagged fragments: images to a local folder in place of S3, messages in the format of SNS.
//!
//! ```text
//!                         ┌─ images ──> <data-dir>/s3/BUCKET/KEY, KEY.metadata.json ──> S3 event ─┐
//! PERSISTED ── triggers ──┤                                                                       ├──> topic
//!                         └─ notification ────────────────────────────────────────────────────────┘      │
//!                           <data-dir>/sns/TOPIC/MESSAGE-ID.json  <── signed and stored ─────────────────┤
//!                           http://subscriber  <── posted after the confirmation, with retries ──────────┘
//! ```
//!
//! With an S3 endpoint, an image is put there first and stored in the folder when that succeeded; its events are then those of the
//! endpoint. With an SNS endpoint, a message is published there first.
//!
//! [`Delivery::fragment_persisted`] queues the work for a fragment and returns. One task per core makes images, and one
//! task publishes notifications. [`Delivery::events`] reports every result.

pub mod limits;

mod aws;
mod cancel;
mod delivery;
mod delivery_events;
mod event;
mod files;
mod s3;
mod settings;
mod sns;
mod triggers;

pub(crate) use aws::is_of_aws;
pub use aws::{AwsEndpoint, AwsKeys};
pub use delivery::Delivery;
pub use delivery_events::DeliveryEvents;
pub use event::DeliveryEvent;
pub use files::UnsafeName;
pub(crate) use s3::object_store::KEY_ENTRY;
pub use s3::object_store::{NewObject, ObjectStore, PutObjectError};
pub use settings::{AwsEndpoints, DeliverySettings, ImageSettings, PersistedFragment};
pub use sns::endpoint::{CERTIFICATE_PATH, SNS_PATH, SnsResponse};
pub use sns::publisher::StartDeliveryError;
pub use sns::signer::SignerError;
pub use sns::subscription::{InvalidSubscription, Subscription};
pub use sns::topic::{InvalidTopic, Topic};
pub use triggers::{ImageTrigger, NotificationTrigger, sampling_instants};
