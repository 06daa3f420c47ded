//! What waits for the caller. The task behind it never waits: a session that is not polled sends no keepalive.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kvs_mkv::{Frame, TrackNumber};
use tokio::sync::Notify;

use crate::event::{CameraEvent, DropReason};
use crate::stats::CameraStats;

/// A queue of events, bounded in bytes and in frames.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    readable: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<CameraEvent>,
    bytes: usize,
    frames: usize,
    /// Frames dropped since the queue was full, up to a key frame.
    overflowed: Option<u64>,
    is_closed: bool,
    stats: CameraStats,
}

/// Most frames that wait.
const FRAMES: usize = 1024;

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), readable: Notify::new(), limit }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event. Frames are dropped while the queue is full, up to a key frame of the leading track.
    pub(super) fn push(&self, event: CameraEvent) {
        let mut state = self.lock();
        match event {
            CameraEvent::Frame(frame) => state.push_frame(frame, self.limit),
            event => state.push_event(event),
        }
        drop(state);
        self.readable.notify_one();
    }

    /// No more events come.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.readable.notify_one();
    }

    /// Waits for the next event; `None` when no more come. Cancel-safe.
    pub(super) async fn next(&self) -> Option<CameraEvent> {
        loop {
            {
                let mut state = self.lock();
                if let Some(event) = state.pop() {
                    return Some(event);
                }
                if state.is_closed {
                    return None;
                }
            }
            self.readable.notified().await;
        }
    }

    pub(super) fn stats(&self) -> CameraStats {
        self.lock().stats.clone()
    }

    pub(super) fn update_stats(&self, update: impl FnOnce(&mut CameraStats)) {
        update(&mut self.lock().stats);
    }
}

impl State {
    fn push_frame(&mut self, frame: Frame, limit: usize) {
        let size = frame.data.len();
        let is_full = self.frames >= FRAMES || (self.frames > 0 && self.bytes.saturating_add(size) > limit);
        let starts = frame.keyframe && frame.track == TrackNumber::ONE;
        if is_full || (self.overflowed.is_some() && !starts) {
            *self.overflowed.get_or_insert(0) += 1;
            self.stats.dropped_frames += 1;
            return;
        }
        if let Some(frames) = self.overflowed.take() {
            self.events.push_back(CameraEvent::Dropped { frames, reason: DropReason::QueueFull });
        }
        self.frames += 1;
        self.bytes += size;
        self.count(&frame);
        self.events.push_back(CameraEvent::Frame(frame));
    }

    fn count(&mut self, frame: &Frame) {
        let stats = &mut self.stats;
        stats.bytes += frame.data.len() as u64;
        if frame.track == TrackNumber::ONE {
            stats.video_frames += 1;
            stats.keyframes += u64::from(frame.keyframe);
        } else {
            stats.audio_frames += 1;
        }
    }

    /// Adds an event, or puts it in the place of one of its kind since the last frame, so that a caller who reads nothing does not
    /// fill the memory.
    fn push_event(&mut self, event: CameraEvent) {
        match &event {
            CameraEvent::Lost { packets, .. } => self.stats.lost_packets += packets,
            CameraEvent::Dropped { frames, .. } => self.stats.dropped_frames += frames,
            _ => {}
        }
        let since_frame = self.events.iter_mut().rev().take_while(|event| !matches!(event, CameraEvent::Frame(_)));
        for earlier in since_frame {
            match (earlier, &event) {
                (CameraEvent::Lost { track, packets }, CameraEvent::Lost { track: of, packets: more })
                    if track == of =>
                {
                    *packets += more;
                    return;
                }
                (CameraEvent::Dropped { frames, reason }, CameraEvent::Dropped { frames: more, reason: why })
                    if reason == why =>
                {
                    *frames += more;
                    return;
                }
                _ => {}
            }
        }
        let waiting = self.events.iter().rev().take_while(|event| !matches!(event, CameraEvent::Frame(_))).count();
        if waiting >= EVENTS {
            let same = self.events.iter().rposition(|earlier| discriminant(earlier) == discriminant(&event));
            if let Some(at) = same.filter(|at| at + waiting >= self.events.len()) {
                self.events.remove(at);
            }
        }
        self.events.push_back(event);
    }

    fn pop(&mut self) -> Option<CameraEvent> {
        let event = self.events.pop_front()?;
        if let CameraEvent::Frame(frame) = &event {
            self.frames -= 1;
            self.bytes -= frame.data.len();
        }
        Some(event)
    }
}

/// Events that wait without a frame between them before the latest of a kind takes the place of the one before.
const EVENTS: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::CameraError;

    fn frame(keyframe: bool, size: usize) -> CameraEvent {
        CameraEvent::Frame(Frame::new(TrackNumber::ONE, Duration::ZERO, vec![0; size]).with_keyframe(keyframe))
    }

    fn names(queue: &Queue) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(event) = queue.lock().pop() {
            names.push(match event {
                CameraEvent::Frame(frame) if frame.keyframe => "key".to_owned(),
                CameraEvent::Frame(_) => "frame".to_owned(),
                CameraEvent::Dropped { frames, .. } => format!("dropped {frames}"),
                CameraEvent::Lost { packets, .. } => format!("lost {packets}"),
                event => format!("{event:?}").chars().take_while(|letter| letter.is_alphabetic()).collect(),
            });
        }
        names
    }

    #[test]
    fn a_full_queue_drops_up_to_the_next_key_frame_and_tells_how_many() {
        let queue = Queue::new(100);
        [true, false, false].into_iter().for_each(|key| queue.push(frame(key, 40)));
        assert_eq!(names(&queue), ["key", "frame"]);
        queue.push(frame(false, 40));
        queue.push(frame(true, 40));
        assert_eq!(names(&queue), ["dropped 2", "key"]);
        assert_eq!(queue.stats().dropped_frames, 2);
    }

    #[test]
    fn a_frame_larger_than_the_queue_is_taken_alone() {
        let queue = Queue::new(100);
        queue.push(frame(true, 400));
        queue.push(frame(false, 1));
        assert_eq!(names(&queue), ["key"]);
    }

    #[test]
    fn a_caller_who_reads_nothing_does_not_fill_the_memory() {
        let queue = Queue::new(1000);
        for _ in 0..10_000 {
            let error = CameraError::Closed { camera: String::new() };
            queue.push(CameraEvent::Retrying { error, retry_in: Duration::ZERO, attempt: 1 });
            queue.push(CameraEvent::ParametersChanged { tracks: Vec::new() });
            queue.push(CameraEvent::Lost { track: TrackNumber::ONE, packets: 1 });
            queue.push(frame(true, 10));
        }
        assert!(queue.lock().events.len() <= 1000 / 10 * 4 + EVENTS + 3, "{}", queue.lock().events.len());
        assert_eq!(queue.stats().lost_packets, 10_000);
    }
}
