//! The producer.

use std::sync::Arc;

use bytes::Bytes;
use kvs_mkv::codec::{h264, h265, nal};
use kvs_producer::{FragmentTag, Frame, OpenError, PutFrameError, Refusal, StopReport, TrackNumber};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::Mutex;

use crate::client::Client;
use crate::errors::{exception, from_open, from_put, from_tag, invalid};
use crate::event::Event;
use crate::input::{self, Origin};
use crate::runtime::wait;
use crate::settings::{Settings, image_event, notification_event};
use crate::tracks::Codec;

/// Payloads above this size are examined while other threads of Python run. Below it the work takes some 50 us at most, and a busy thread
/// that is let in may keep this one waiting for 5 ms.
const LARGE: usize = 1 << 20;

/// The producer of one stream. All methods may be called from any thread.
#[pyclass(frozen, module = "kvs._kvs")]
#[derive(Debug)]
pub(crate) struct Producer {
    producer: Arc<kvs_producer::Producer>,
    events: Arc<Mutex<kvs_producer::Events>>,
    codecs: Vec<(u64, Codec)>,
    origin: Origin,
    waits: bool,
    /// The process whose thread drives the producer.
    process: u32,
}

#[pymethods]
impl Producer {
    #[new]
    #[pyo3(signature = (client, settings, open_timeout))]
    fn new(
        py: Python<'_>,
        client: &Bound<'_, Client>,
        settings: &Bound<'_, PyAny>,
        open_timeout: f64,
    ) -> PyResult<Self> {
        let waits = settings.getattr("wait_when_full")?.extract()?;
        let settings = input::settings::<Settings>(settings)?;
        let origin = settings.origin();
        let (config, codecs) = settings.config()?;
        let within = input::duration("open_timeout", open_timeout)?;
        let failure = client.get().credentials_failure();
        let client = client.get().client();
        let open = async move { kvs_producer::Producer::open_within(config, client, within).await };
        let producer = wait(py, open)?.map_err(|error| match (&error, failure.take()) {
            // The producer would try again until the timeout: the caller needs to know what it waited for.
            (OpenError::TimedOut { .. }, Some(cause)) => {
                exception("CredentialsError", &format!("no credentials from the session: {cause}"))
            }
            _ => from_open(&error),
        })?;
        let events = Arc::new(Mutex::new(producer.events()));
        Ok(Self { producer: Arc::new(producer), events, codecs, origin, waits, process: std::process::id() })
    }

    /// Puts a frame.
    #[pyo3(signature = (data, pts, keyframe, track, timeout))]
    fn put_frame(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        pts: &Bound<'_, PyAny>,
        keyframe: Option<bool>,
        track: u64,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        self.check_process()?;
        let number = TrackNumber::new(track).map_err(|error| invalid(error.to_string()))?;
        let (data, pts) = (input::payload(data)?, input::time(pts, self.origin)?);
        let put = || {
            let keyframe = keyframe.unwrap_or_else(|| self.is_keyframe(&data, track));
            self.producer.try_put_frame(Frame::new(number, pts, data.clone()).with_keyframe(keyframe))
        };
        let result = if data.len() > LARGE { py.detach(put) } else { put() };
        match result {
            Ok(()) => Ok(()),
            Err(error) if self.waits && matches!(error.refusal, Refusal::BufferFull { .. }) => {
                self.wait_for_room(py, error, timeout)
            }
            Err(error) => Err(from_put(&error)),
        }
    }

    /// Puts a tag on the fragment.
    fn put_tag(&self, name: String, value: String, persistent: bool) -> PyResult<()> {
        self.check_process()?;
        let tag = if persistent { FragmentTag::persistent(name, value) } else { FragmentTag::once(name, value) };
        self.producer.put_tag(tag).map_err(|error| from_tag(&error))
    }

    /// Requests images for the fragment.
    fn put_image_event(&self, prefix: Option<String>, pairs: Vec<(String, String)>) -> PyResult<()> {
        self.check_process()?;
        self.producer.put_event(image_event(prefix, pairs)).map_err(|error| from_tag(&error))
    }

    /// Requests a notification for the fragment.
    fn put_notification_event(&self, pairs: Vec<(String, String)>) -> PyResult<()> {
        self.check_process()?;
        self.producer.put_event(notification_event(pairs)).map_err(|error| from_tag(&error))
    }

    /// Ends the fragment.
    fn end_fragment(&self) -> PyResult<()> {
        self.check_process()?;
        self.producer.end_fragment();
        Ok(())
    }

    /// Returns the next event; `None` after `timeout` seconds, and after the last one.
    fn next_event(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Event>> {
        self.check_process()?;
        let within = timeout.map(|seconds| input::duration("timeout", seconds)).transpose()?;
        let events = Arc::clone(&self.events);
        let next = async move {
            let next = async { events.lock().await.next().await };
            match within {
                Some(within) => tokio::time::timeout(within, next).await.ok().flatten(),
                None => next.await,
            }
        };
        Ok(wait(py, next)?.map(|event| Event::new(&event)))
    }

    /// Returns the statistics.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.producer.stats());
        stats_dict(py, &stats)
    }

    /// Stops and returns the statistics, and why sending had been halted.
    fn stop<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<(Bound<'py, PyDict>, bool, Option<String>)> {
        self.check_process()?;
        let within = input::duration("timeout", timeout)?;
        let producer = Arc::clone(&self.producer);
        let report: StopReport = wait(py, async move { producer.stop(within).await })?;
        let halted = report.halted.as_ref().map(ToString::to_string);
        Ok((stats_dict(py, &report.stats)?, report.is_complete(), halted))
    }
}

impl Producer {
    fn check_process(&self) -> PyResult<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(exception("ProducerClosedError", "this producer belongs to the parent process: create one after the fork"))
    }

    /// A payload that is not made of NAL units is refused later, with its reason.
    fn is_keyframe(&self, data: &Bytes, track: u64) -> bool {
        let codec = self.codecs.iter().find(|(number, _)| *number == track).map(|(_, codec)| *codec);
        match codec {
            Some(Codec::H264) => nal::units(data).is_ok_and(h264::is_keyframe),
            Some(Codec::H265) => nal::units(data).is_ok_and(h265::is_keyframe),
            Some(Codec::Audio) | None => true,
        }
    }

    fn wait_for_room(&self, py: Python<'_>, refused: PutFrameError, timeout: Option<f64>) -> PyResult<()> {
        let within = timeout.map(|seconds| input::duration("timeout", seconds)).transpose()?;
        let producer = Arc::clone(&self.producer);
        let put = async move {
            match within {
                Some(within) => producer.put_frame_within(refused.into_frame(), within).await,
                None => producer.put_frame(refused.into_frame()).await,
            }
        };
        wait(py, put)?.map_err(|error| from_put(&error))
    }
}

fn stats_dict<'py>(py: Python<'py>, stats: &kvs_producer::Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let totals = &stats.totals;
    for (name, amount) in [
        ("submitted", totals.submitted),
        ("recovered", totals.recovered),
        ("persisted", totals.persisted),
        ("lost", totals.lost),
        ("spooled", totals.spooled),
    ] {
        dict.set_item(format!("{name}_frames"), amount.frames)?;
        dict.set_item(format!("{name}_bytes"), amount.bytes)?;
    }
    let lost = totals.lost_by;
    let reasons = PyDict::new(py);
    for (reason, frames) in [
        ("buffer full", lost.buffer_full),
        ("too old", lost.too_old),
        ("unconfirmed", lost.unconfirmed),
        ("rejected", lost.rejected),
        ("no key frame", lost.no_keyframe),
        ("track joining", lost.track_joining),
        ("track missing", lost.track_missing),
        ("paused", lost.paused),
        ("stopped", lost.stopped),
        ("spool full", lost.spool_full),
        ("spool damaged", lost.spool_damaged),
    ] {
        if frames > 0 {
            reasons.set_item(reason, frames)?;
        }
    }
    dict.set_item("lost_by_reason", reasons)?;
    dict.set_item("persisted_fragments", totals.persisted_fragments)?;
    dict.set_item("buffered_bytes", stats.buffered_bytes)?;
    dict.set_item("sessions", stats.sessions)?;
    dict.set_item("reconnects", stats.reconnects)?;
    dict.set_item("resent_bytes", stats.resent_bytes)?;
    Ok(dict)
}
