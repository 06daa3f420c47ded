//! The element as GObject sees it: properties, signals, pads and states.

use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;
use kvs_producer::TrackNumber;
use kvs_types::limits;

use crate::CAT;
use crate::failure::{SetupError, sentence};
use crate::properties::{self, Properties};
use crate::settings::Settings;
use crate::stream::{Ending, PadState, Pads, Stream};
use crate::{caps, connection, runtime};

#[derive(Debug, Default)]
pub struct KvsProducerSink {
    properties: Mutex<Properties>,
    state: Mutex<State>,
    /// Frames that wait in a pad look again: after a flush, a change of state, or when a producer is done.
    pub(super) changed: Condvar,
}

const VIDEO: &str = "video_0";
const AUDIO: &str = "audio_0";

/// Video is track 1. Audio is track 2 beside video.
fn number_tracks(pads: &mut Pads) {
    let audio = if pads.contains_key(VIDEO) { TrackNumber::TWO } else { TrackNumber::ONE };
    if let Some(pad) = pads.get_mut(AUDIO) {
        pad.number = audio;
        if let Some(track) = &mut pad.track {
            let track = Arc::make_mut(track);
            (track.number, track.uid) = (audio, audio.get());
        }
    }
}

/// What the pads share.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pads: Pads,
    pub(super) stream: Option<Stream>,
    pub(super) is_playing: bool,
    /// The pads are being deactivated.
    pub(super) is_stopping: bool,
}

#[glib::object_subclass]
impl ObjectSubclass for KvsProducerSink {
    const NAME: &'static str = "GstKvsProducerSink";
    type Type = super::KvsProducerSink;
    type ParentType = gst::Element;
}

impl ObjectImpl for KvsProducerSink {
    fn properties() -> &'static [glib::ParamSpec] {
        properties::specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        self.lock_properties().set(self.obj().upcast_ref(), spec.name(), value);
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        if spec.name() == "stats" {
            return self.stats().to_value();
        }
        self.lock_properties().get(spec)
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
            vec![
                Signal::builder("fragment-ack").param_types([gst::Structure::static_type()]).build(),
                Signal::builder("stream-error").param_types([u64::static_type()]).build(),
            ]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SINK);
    }
}

impl GstObjectImpl for KvsProducerSink {}

impl ElementImpl for KvsProducerSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Kinesis Video Streams producer",
                "Sink/Video/Audio/Network",
                env!("CARGO_PKG_DESCRIPTION"),
                "The kvs contributors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let template = |name, caps: gst::Caps| {
                gst::PadTemplate::new(name, gst::PadDirection::Sink, gst::PadPresence::Request, &caps)
            };
            // Both names and directions are valid: this fails for none of them.
            [template("video_%u", caps::video()), template("audio_%u", caps::audio())].into_iter().flatten().collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let name = if template.name_template().starts_with("video") { VIDEO } else { AUDIO };
        let pad = {
            let mut state = self.lock();
            if state.pads.contains_key(name) {
                gst::warning!(CAT, imp = self, "pad {name} exists: a stream has one video and one audio track");
                return None;
            }
            state.pads.insert(name.to_owned(), PadState::new(TrackNumber::ONE));
            number_tracks(&mut state.pads);
            self.new_pad(template, name)
        };
        let _ = pad.set_active(self.obj().current_state() >= gst::State::Paused);
        self.obj().add_pad(&pad).ok()?;
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        self.lock().pads.remove(pad.name().as_str());
        self.changed.notify_all();
        let _ = pad.set_active(false);
        let _ = self.obj().remove_pad(pad);
        // The others may have ended before.
        self.ended(None);
    }

    /// A sink passes upstream events on to its sources: the pipeline seeks that way.
    fn send_event(&self, event: gst::Event) -> bool {
        if !event.is_upstream() {
            return self.parent_send_event(event);
        }
        let handled = self.obj().sink_pads().into_iter().map(|pad| pad.push_event(event.clone()));
        // Each source gets it.
        handled.collect::<Vec<_>>().contains(&true)
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.check()?,
            gst::StateChange::ReadyToPaused => self.open()?,
            gst::StateChange::PausedToPlaying => self.play(true),
            gst::StateChange::PlayingToPaused => self.play(false),
            gst::StateChange::PausedToReady => self.release_streaming_threads(),
            _ => {}
        }
        let success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::PausedToPlaying => self.tell_end(),
            gst::StateChange::PausedToReady => self.close(),
            _ => {}
        }
        Ok(success)
    }
}

impl KvsProducerSink {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_properties(&self) -> MutexGuard<'_, Properties> {
        self.properties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Settings {
        self.lock_properties().settings.clone()
    }

    fn new_pad(&self, template: &gst::PadTemplate, name: &str) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .name(name)
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| imp.chain(pad, buffer))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.event(pad, event))
            })
            .build()
    }

    /// NULL to READY: what can be said without a network.
    fn check(&self) -> Result<(), gst::StateChangeError> {
        self.new_stream().map(drop).map_err(|error| self.refuse(&error))
    }

    /// READY to PAUSED.
    fn open(&self) -> Result<(), gst::StateChangeError> {
        let stream = self.new_stream().map_err(|error| self.refuse(&error))?;
        let mut state = self.lock();
        state.stream = Some(stream);
        state.is_stopping = false;
        number_tracks(&mut state.pads);
        for pad in state.pads.values_mut() {
            *pad = PadState::new(pad.number);
        }
        Ok(())
    }

    fn new_stream(&self) -> Result<Stream, SetupError> {
        let settings = self.settings();
        settings.stream_name.parse::<kvs_aws::StreamId>().map_err(|error| SetupError::invalid("stream-name", error))?;
        let (bytes, limit) = (settings.track_name.len(), limits::TRACK_NAME_BYTES);
        if bytes > limit {
            return Err(SetupError::TrackName { bytes, limit });
        }
        let handle = runtime::handle()?;
        let client = connection::client(&settings, &handle)?;
        Ok(Stream::new(settings, client, handle))
    }

    fn refuse(&self, error: &SetupError) -> gst::StateChangeError {
        gst::element_imp_error!(self, gst::ResourceError::Settings, ("{}", sentence(error)));
        gst::StateChangeError
    }

    /// Times follow the wall clock, which goes on during a pause: the next buffer sets the start of running time again.
    fn play(&self, is_playing: bool) {
        let mut state = self.lock();
        state.is_playing = is_playing;
        if let Some(stream) = state.stream.as_mut().filter(|stream| !stream.is_recording()) {
            stream.timeline = None;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn release_streaming_threads(&self) {
        self.lock().is_stopping = true;
        self.changed.notify_all();
    }

    pub(crate) fn fail(&self) {
        if let Some(stream) = &mut self.lock().stream {
            stream.has_failed = true;
        }
        self.changed.notify_all();
    }

    fn stats(&self) -> gst::Structure {
        let state = self.lock();
        state.stream.as_ref().map_or_else(|| gst::Structure::new_empty("kvs-stats"), Stream::stats)
    }

    /// Posts the end of the stream if all is sent and the pipeline plays.
    pub(super) fn tell_end(&self) {
        let mut state = self.lock();
        let is_playing = state.is_playing;
        let Some(stream) = &mut state.stream else { return };
        let (Ending::Drained(seqnum), true) = (stream.ending, is_playing) else { return };
        stream.ending = Ending::Told;
        drop(state);
        let message = gst::message::Eos::builder().src(&*self.obj()).seqnum(seqnum).build();
        let _ = self.obj().post_message(message);
    }
}
