//! Actions of the user: frames and tags.

use kvs_mkv::{Frame, TrackNumber};
use kvs_producer::FragmentTag;

use super::super::loss_checker::Part;
use super::{SimEvent, World};

impl World {
    pub(super) fn put_frames(&mut self) {
        if !self.paused_source {
            self.put_step();
        }
        if !self.calm {
            self.after(self.source.frame_time(), SimEvent::Frames);
        }
    }

    /// Puts the frames of one frame time.
    pub(super) fn put_step(&mut self) {
        let elapsed = self.now.saturating_duration_since(self.start);
        for (number, frame) in self.source.frames(elapsed, &mut self.rng) {
            self.put(number, frame);
            self.measure();
            self.drain();
        }
    }

    pub(super) fn put(&mut self, number: u64, frame: Frame) {
        let lead = frame.track == TrackNumber::ONE;
        let pts = frame.pts;
        let part = match lead {
            true if frame.keyframe => Part::Key,
            true => Part::Lead,
            false => Part::Beside,
        };
        let length = self.source.length(number);
        self.loss_checker.before_put(number, pts, length, self.producer.stats().buffered_fragments, self.now);
        match self.producer.put_frame(frame, self.now) {
            Ok(()) => {
                self.loss_checker.taken(pts, part, self.now);
                self.handle_events();
                self.loss_checker.after_put();
                self.source.taken(number);
                self.progress.submitted(length);
                if lead && self.rng.u8(..20) == 0 {
                    self.put_tag(number);
                }
                if lead && self.scenario.ends_fragments && self.rng.u8(..100) == 0 {
                    self.producer.end_fragment();
                    self.loss_checker.group_broken();
                }
            }
            Err(error) => {
                self.handle_events();
                if part == Part::Key {
                    self.source.key_frame_refused(number);
                }
                let checked = self.loss_checker.refused(&error.refusal, part);
                self.record(checked);
            }
        }
    }

    pub(super) fn put_tag(&mut self, frame: u64) {
        let name = format!("tag-{}", self.tags.len());
        if self.producer.put_tag(FragmentTag::once(name.clone(), "x")).is_ok() {
            self.loss_checker.tag_put(frame);
            self.tags.insert(name, frame);
        }
    }
}
