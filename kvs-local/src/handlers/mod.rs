//! The handlers of the operations and the dispatcher in front of them.

mod control;
mod dispatcher;
mod double;
mod get_images;
mod get_media;
mod get_media_for_fragment_list;
mod list_fragments;
mod media_response;
mod playback;
mod put_media;
mod readable;
mod status_page;

use std::sync::Arc;

use http::HeaderMap;

pub(crate) use self::control::Control;
use self::control::ControlPlane;
use self::dispatcher::Handlers;
pub(crate) use self::dispatcher::{Dispatcher, Gate, UnknownPaths};
pub(crate) use self::double::Reset;
use self::get_images::GetImages;
use self::get_media::GetMedia;
use self::get_media_for_fragment_list::GetMediaForFragmentList;
use self::list_fragments::ListFragments;
pub(crate) use self::playback::answer as answer_playback;
use self::playback::{GetClip, MediaRoom, StreamingSessions};
pub(crate) use self::put_media::PutMedia;
use self::put_media::{PostPersist, PutMediaRequest, SessionContext};
use self::readable::ReadableStreams;
use self::status_page::StatusPage;
use crate::api::{ApiError, DataPorts, ReadOperation};
use crate::clock::Clock;
use crate::deliver::Delivery;
use crate::images::Decoders;
use crate::ingest::Profile;
use crate::shutdown::Shutdown;
use crate::status::{Activity, PageRights, Status};
use crate::stream::StreamHub;
use crate::stream::registry::Registry;

/// What the handlers are built from; each of them keeps only what it needs.
#[derive(Debug)]
pub(crate) struct Components {
    pub(crate) control: Control,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<StreamHub>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) clock: Clock,
    pub(crate) profile: Profile,
    pub(crate) seed: u64,
    pub(crate) shutdown: Shutdown,
    pub(crate) data_ports: DataPorts,
    pub(crate) unknown_paths: UnknownPaths,
    pub(crate) reset: Reset,
    pub(crate) decoders: Arc<Decoders>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) page_rights: Option<PageRights>,
}

impl Components {
    /// Builds the handlers behind a gate. The PutMedia handler is returned too: shutdown waits for its sessions.
    pub(crate) fn into_dispatcher(self, gate: Gate) -> (Dispatcher, Arc<PutMedia>) {
        let Self {
            control,
            registry,
            hub,
            delivery,
            clock,
            profile,
            seed,
            shutdown,
            data_ports,
            unknown_paths,
            reset,
            decoders,
            activity,
            page_rights,
        } = self;
        let quota = || Arc::clone(&gate.quota);
        let context = SessionContext {
            hub: Arc::clone(&hub),
            post_persist: PostPersist::new(Arc::clone(&registry), Arc::clone(&hub), Arc::clone(&delivery)),
            quota: quota(),
            activity: Arc::clone(&activity),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        };
        let put_media = Arc::new(PutMedia::new(Arc::clone(&registry), profile, seed, context));
        let streams = ReadableStreams::new(Arc::clone(&registry), Arc::clone(&hub), clock.clone());
        let room = MediaRoom::default();
        let status = Status::new(Arc::clone(&registry), Arc::clone(&hub), activity, clock.clone());
        let handlers = Handlers {
            control: ControlPlane::new(control, Arc::clone(&hub), clock.clone()),
            put_media: Arc::clone(&put_media),
            get_media: GetMedia::new(streams.clone(), quota(), shutdown),
            get_media_for_fragment_list: GetMediaForFragmentList::new(streams.clone(), quota()),
            list_fragments: ListFragments::new(streams.clone(), quota()),
            get_clip: GetClip::new(streams.clone(), quota(), room.clone()),
            streaming_sessions: StreamingSessions::new(streams, quota(), room),
            get_images: GetImages::new(registry, hub, quota(), clock.clone(), profile, decoders),
            delivery,
            reset: Arc::new(reset),
            page: page_rights.map(|rights| StatusPage::new(rights, status)),
        };
        (Dispatcher { gate, handlers, clock, data_ports, unknown_paths }, put_media)
    }
}

/// Checks the body of a request as its handler does.
pub(crate) fn validate_read(operation: ReadOperation, body: &[u8], profile: Profile) -> Result<(), ApiError> {
    let clock = Clock::system();
    match operation {
        ReadOperation::GetMedia => get_media::validate(body),
        ReadOperation::GetMediaForFragmentList => get_media_for_fragment_list::validate(body),
        ReadOperation::ListFragments => list_fragments::validate(body),
        ReadOperation::GetImages => get_images::validate(body, profile),
        ReadOperation::GetClip => playback::validate_clip(body, &clock),
        ReadOperation::GetHlsStreamingSessionUrl => playback::validate_hls(body, &clock),
        ReadOperation::GetDashStreamingSessionUrl => playback::validate_dash(body, &clock),
    }
}

/// Checks the headers of a PutMedia request as its handler does.
pub(crate) fn validate_put_media(headers: &HeaderMap) -> Result<(), ApiError> {
    PutMediaRequest::parse(headers).map(drop)
}
