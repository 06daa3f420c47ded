//! The fragments of a GetMedia body.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use kvs_mkv::Limits;
use kvs_mkv::fragment::{Fragment as CoreFragment, FragmentReader as CoreReader};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{chain, exception};

/// Reads fragments from pieces of a body.
#[pyclass(frozen, module = "kvs._kvs")]
#[derive(Debug)]
pub(crate) struct FragmentReader(Mutex<CoreReader>);

#[pymethods]
impl FragmentReader {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(CoreReader::new(Limits::default())))
    }

    /// Appends a piece.
    fn push(&self, py: Python<'_>, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        let piece = crate::input::payload(piece)?;
        py.detach(|| self.reader().push(piece));
        Ok(())
    }

    /// Returns the next complete fragment.
    fn next_fragment(&self, py: Python<'_>) -> PyResult<Option<Fragment>> {
        let next = py.detach(|| self.reader().next_fragment());
        next.map(|fragment| fragment.map(Fragment::new)).map_err(|error| exception("FragmentError", &chain(&error)))
    }

    /// Ends the body and returns the rest.
    fn finish(&self, py: Python<'_>) -> PyResult<Option<Fragment>> {
        let next = py.detach(|| self.reader().finish());
        next.map(|fragment| fragment.map(Fragment::new)).map_err(|error| exception("FragmentError", &chain(&error)))
    }
}

impl FragmentReader {
    fn reader(&self) -> std::sync::MutexGuard<'_, CoreReader> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fragment: its frames, its tags, and what the service says about it.
#[pyclass(frozen, module = "kvs")]
#[derive(Debug)]
pub(crate) struct Fragment(CoreFragment);

impl Fragment {
    fn new(fragment: CoreFragment) -> Self {
        Self(fragment)
    }
}

#[pymethods]
impl Fragment {
    /// The fragment number of the service; `None` outside of GetMedia.
    #[getter]
    fn number(&self) -> Option<String> {
        self.0.metadata.number.as_ref().map(ToString::to_string)
    }

    /// When the service received it.
    #[getter]
    fn server_timestamp(&self) -> Option<SystemTime> {
        self.0.metadata.server_timestamp
    }

    /// When it starts by the producer's clock.
    #[getter]
    fn producer_timestamp(&self) -> Option<SystemTime> {
        self.0.metadata.producer_timestamp
    }

    /// Where a later GetMedia call continues.
    #[getter]
    fn continuation_token(&self) -> Option<String> {
        self.0.metadata.continuation_token.clone()
    }

    /// How many seconds it is behind now.
    #[getter]
    fn seconds_behind_now(&self) -> Option<f64> {
        self.0.metadata.behind_now.map(|behind| behind.as_secs_f64())
    }

    /// The error that the service reports inside of the body instead of media.
    #[getter]
    fn error(&self) -> Option<String> {
        self.0.metadata.fault.as_ref().map(ToString::to_string)
    }

    /// The tags of the producer as names and values.
    #[getter]
    fn tags(&self) -> Vec<(String, String)> {
        self.0.tags.iter().map(|tag| (tag.name.to_string(), tag.value.to_string())).collect()
    }

    /// The tracks as number, codec id and codec private data.
    #[getter]
    fn tracks<'py>(&self, py: Python<'py>) -> Vec<(u64, String, Bound<'py, PyBytes>)> {
        let track = |track: &kvs_mkv::Track| {
            (track.number.get(), track.codec.to_string(), PyBytes::new(py, &track.codec_private))
        };
        self.0.tracks.iter().map(track).collect()
    }

    /// The frames in the order of the body.
    #[getter]
    fn frames(&self) -> Vec<Frame> {
        self.0.frames.iter().map(|frame| Frame::new(frame.clone())).collect()
    }

    fn __repr__(&self) -> String {
        let number = self.number().unwrap_or_else(|| "without a number".to_owned());
        format!("<kvs.Fragment {number}: {} frames, {} bytes>", self.0.frames.len(), self.0.payload_bytes())
    }
}

/// A frame of a fragment.
#[pyclass(frozen, module = "kvs")]
#[derive(Debug)]
pub(crate) struct Frame {
    /// The number of its track.
    #[pyo3(get)]
    track: u64,
    /// Presentation time in seconds: since the Unix epoch with absolute timecodes, else since the start of the stream.
    #[pyo3(get)]
    pts: f64,
    /// Whether decoding can start here.
    #[pyo3(get)]
    keyframe: bool,
    data: Bytes,
}

impl Frame {
    fn new(frame: kvs_mkv::Frame) -> Self {
        let (track, pts) = (frame.track.get(), frame.pts.as_secs_f64());
        Self { track, pts, keyframe: frame.keyframe, data: frame.data.into_bytes() }
    }
}

#[pymethods]
impl Frame {
    /// The payload: NAL units with lengths, raw AAC, G.711 samples.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.data)
    }

    fn __len__(&self) -> usize {
        self.data.len()
    }

    fn __repr__(&self) -> String {
        let keyframe = if self.keyframe { ", key frame" } else { "" };
        format!("<kvs.Frame track {} at {:.3} s, {} bytes{keyframe}>", self.track, self.pts, self.data.len())
    }
}
