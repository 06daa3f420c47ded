//! Events of the pads.

use std::sync::Arc;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::KvsProducerSink;
use crate::CAT;
use crate::caps;
use crate::failure::sentence;
use crate::requests;
use crate::stream::{Ending, Item, PadState, Put};

impl KvsProducerSink {
    pub(super) fn event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        gst::log!(CAT, obj = pad, "{event:?}");
        match event.view() {
            gst::EventView::Caps(caps) => {
                if let Err(error) = self.set_caps(pad, caps.caps()) {
                    gst::element_imp_error!(self, gst::CoreError::Negotiation, ("{}", sentence(&error)));
                    return false;
                }
                self.advance();
            }
            gst::EventView::Segment(segment) => {
                let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() else {
                    self.refuse_segment(pad, segment.segment().format());
                    return false;
                };
                self.with_pad(pad, |own| own.segment = Some(segment.clone()));
            }
            gst::EventView::StreamStart(_) => self.reopen(pad),
            gst::EventView::Eos(eos) => {
                self.with_pad(pad, |own| own.has_ended = true);
                self.ended(Some(eos.seqnum()));
                return true;
            }
            gst::EventView::FlushStart(_) => {
                self.with_pad(pad, |own| own.is_flushing = true);
                self.changed.notify_all();
            }
            gst::EventView::FlushStop(_) => self.flush_stop(pad),
            gst::EventView::CustomDownstream(_) | gst::EventView::CustomDownstreamOob(_) => {
                if let Some(handled) = event.structure().and_then(|fields| self.request(fields)) {
                    return handled;
                }
            }
            _ => {}
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    /// Told once: sources that send bytes repeat their segment.
    fn refuse_segment(&self, pad: &gst::Pad, format: gst::Format) {
        let has_failed = match &mut self.lock().stream {
            Some(stream) => std::mem::replace(&mut stream.has_failed, true),
            None => true,
        };
        if !has_failed {
            gst::element_imp_error!(
                self,
                gst::CoreError::Event,
                ("pad {} has a segment in {format:?}, needs time: put a demuxer or a parser in front", pad.name())
            );
        }
    }

    fn with_pad(&self, pad: &gst::Pad, change: impl FnOnce(&mut PadState)) {
        if let Some(own) = self.lock().pads.get_mut(pad.name().as_str()) {
            change(own);
        }
    }

    fn set_caps(&self, pad: &gst::Pad, caps: &gst::CapsRef) -> Result<(), caps::CapsError> {
        let name = self.settings().track_name;
        if let Some(own) = self.lock().pads.get_mut(pad.name().as_str()) {
            own.track = Some(Arc::new(caps::track(own.number, caps, &name)?));
        }
        Ok(())
    }

    /// A new stream on a pad follows the end of the old one.
    fn reopen(&self, pad: &gst::Pad) {
        let mut state = self.lock();
        if let Some(own) = state.pads.get_mut(pad.name().as_str()) {
            own.has_ended = false;
        }
        if let Some(stream) = &mut state.stream {
            stream.ending = Ending::Open;
        }
    }

    /// What was put before stays with the producer. Running time starts again from zero.
    fn flush_stop(&self, pad: &gst::Pad) {
        let mut state = self.lock();
        if let Some(own) = state.pads.get_mut(pad.name().as_str()) {
            own.is_flushing = false;
            own.has_ended = false;
            own.segment = None;
        }
        if let Some(stream) = &mut state.stream {
            stream.ending = Ending::Open;
            stream.timeline = None;
        }
    }

    /// A custom event; `None` if it is of others. A request that is refused is a warning on the bus.
    fn request(&self, fields: &gst::StructureRef) -> Option<bool> {
        let refused = match requests::parse(fields)? {
            Ok(request) => {
                let mut state = self.lock();
                let put = state.stream.as_mut()?.put(Item::Request(request));
                match put {
                    Put::RequestRefused(error) => Some(sentence(&error)),
                    Put::Full(_) => Some("too many events wait for the first frame".to_owned()),
                    _ => None,
                }
            }
            Err(error) => Some(sentence(&error)),
        };
        if let Some(reason) = &refused {
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("event {} refused: {reason}", fields.name()));
        }
        Some(refused.is_none())
    }
}
