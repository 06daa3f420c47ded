//! The core of the producer, from a put to three acks per fragment, beside the least that its media needs.

use std::hint::black_box;

use journey::{Journey, Media};
use kvs_benches::container::frame_by_hand;
use memchr::memmem;

use crate::Effort;
use crate::comparison::{Aim, Comparison, timed};

#[path = "../../../../tools/src/bin/core_cost/journey.rs"]
#[expect(dead_code, reason = "core_cost measures more")]
mod journey;

pub(crate) fn start_codes(_: &Effort) -> Comparison {
    let payloads = Media::StartCodes.payloads();
    let finder = memmem::Finder::new(&[0, 0, 1]);
    put_to_acks(Media::StartCodes)
        .work("bare start-code search", move || {
            timed(|| payloads.iter().map(|payload| finder.find_iter(black_box(payload)).count()).sum::<usize>())
        })
        .row("put to acks, 1080p mix with start codes", "put to acks", "bare start-code search", Aim::AtMost(1.8))
}

pub(crate) fn audio(_: &Effort) -> Comparison {
    let payloads = Media::Sound.payloads();
    put_to_acks(Media::Sound)
        .work("framing by hand with a copy", move || timed(|| frame_by_hand(black_box(&payloads))))
        .row("put to acks, 200 B of audio", "put to acks", "framing by hand with a copy", Aim::AtMost(8.0))
}

fn put_to_acks(media: Media) -> Comparison {
    let payloads = media.payloads();
    let frames = payloads.len();
    let mut journey = Journey::new(media);
    let mut put = 0;
    Comparison::new(frames).work("put to acks", move || {
        if put + frames > FRAMES_OF_A_JOURNEY {
            journey = Journey::new(media);
            put = 0;
        }
        put += frames;
        timed(|| payloads.iter().for_each(|payload| journey.step(black_box(payload))))
    })
}

/// The wall clock of a journey stands still, and the producer refuses times more than a day ahead: 2,160,000 frames of 40 ms.
const FRAMES_OF_A_JOURNEY: usize = 2_000_000;
