//! Any bytes as a recording of this format, from a file and from a pipe.
#![no_main]

#[path = "../src/media.rs"]
mod media;

libfuzzer_sys::fuzz_target!(|data: &[u8]| media::read(kvs_media::Format::Matroska, data));
