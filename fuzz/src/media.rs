//! Readers of recordings: no panic, bounded memory, and the same frames from a file and from a pipe.

use std::io::Cursor;

use kvs_media::{Format, MediaError, Reader, ReaderOptions, Sample, TrackChoice};

/// Frames that are looked at.
const FRAMES: usize = 10_000;

/// Reads the data as a file of this format, and as a pipe.
pub fn read(format: Format, data: &[u8]) {
    for audio in [TrackChoice::First, TrackChoice::All] {
        let options = ReaderOptions::new().format(format).audio(audio);
        let file = Reader::from_seekable("fuzz", Cursor::new(data.to_vec()), &options).map(Reader::starting_with_video);
        let _ = samples(file);
        let pipe = Reader::from_pipe("fuzz", Cursor::new(data.to_vec()), &options);
        let _ = samples(pipe);
    }
    let strict = ReaderOptions::new().format(format).strict(true);
    let _ = samples(Reader::from_seekable("fuzz", Cursor::new(data.to_vec()), &strict));
}

fn samples(reader: Result<Reader, MediaError>) -> Result<(), MediaError> {
    let mut reader = reader?;
    let mut last: Option<Sample> = None;
    for _ in 0..FRAMES {
        let Some(sample) = reader.next_sample()? else { break };
        assert!(sample.dts <= sample.pts, "{sample:?} after {last:?}");
        assert!(!sample.data.is_empty(), "{sample:?}");
        last = Some(sample);
    }
    for notice in reader.notices() {
        assert!(!notice.to_string().contains('\n'), "{notice}");
    }
    Ok(())
}
