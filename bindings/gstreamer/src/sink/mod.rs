//! The element.

mod chain;
mod end;
mod events;
mod imp;

use gst::glib;
use gst::prelude::*;

use crate::CAT;

glib::wrapper! {
    /// A sink with request pads `video_%u` and `audio_%u`.
    pub struct KvsProducerSink(ObjectSubclass<imp::KvsProducerSink>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    // The rank of kvssink.
    let rank = gst::Rank::PRIMARY + 10;
    gst::Element::register(Some(plugin), crate::ELEMENT, rank, KvsProducerSink::static_type())
}

impl KvsProducerSink {
    /// Ends the data flow after an error that was posted.
    pub(crate) fn fail(&self) {
        use glib::subclass::prelude::ObjectSubclassIsExt;
        self.imp().fail();
    }

    /// Asks the encoder for a key frame.
    pub(crate) fn force_key_unit(&self) {
        for pad in self.sink_pads().into_iter().filter(|pad| pad.name().starts_with("video")) {
            gst::debug!(CAT, obj = pad, "requesting a key frame");
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
    }
}
