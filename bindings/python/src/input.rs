//! Values that Python passes: payloads and times.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyFloat, PyInt, PyMemoryView};

use crate::errors::invalid;

/// Payloads of `bytes` above this size are shared with Python. A smaller one costs less to copy than to share.
const SHARED_ABOVE: usize = 1 << 10;

/// Takes the bytes of an object that has them: `bytes`, `bytearray`, `memoryview`, an array, a packet of PyAV. `bytes` cannot change, so
/// large ones are shared; everything else is copied, and the caller may use it again at once.
///
/// The producer's thread drops shared payloads without holding the interpreter. PyO3 then frees them at the next call of this package.
pub(crate) fn payload(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(shared(bytes.clone()));
    }
    if let Ok(bytes) = data.cast::<PyByteArray>() {
        return Ok(Bytes::from(bytes.to_vec()));
    }
    let view = PyMemoryView::from(data)
        .map_err(|_| PyTypeError::new_err(format!("data must be bytes or a buffer, not {}", type_name(data))))?;
    let copy = view.call_method0("tobytes")?;
    Ok(shared(copy.cast_into::<PyBytes>().map_err(PyErr::from)?))
}

fn shared(bytes: Bound<'_, PyBytes>) -> Bytes {
    if bytes.as_bytes().len() > SHARED_ABOVE {
        return Bytes::from_owner(PyBackedBytes::from(bytes));
    }
    Bytes::copy_from_slice(bytes.as_bytes())
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "this type".to_owned(), |name| name.to_string())
}

/// What the times of a producer's frames count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Epoch,
    /// Anything: the producer maps the first frame. Times may be negative, such as those of the priming of AAC in a file.
    FirstFrame,
}

/// How far before zero a time may be if it counts from anything. It is added to all of them, so it does not matter to the producer.
const EARLIEST: f64 = 131_072.0;

/// Reads a time: seconds as a number, or an aware `datetime`.
pub(crate) fn time(value: &Bound<'_, PyAny>, origin: Origin) -> PyResult<Duration> {
    let is_number =
        value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>();
    let seconds = if is_number {
        value.extract::<f64>()?
    } else {
        value.py().import("kvs._time")?.getattr("seconds")?.call1((value,))?.extract::<f64>()?
    };
    match origin {
        Origin::Epoch => duration("pts", seconds),
        Origin::FirstFrame if seconds >= -EARLIEST => duration("pts", seconds + EARLIEST),
        Origin::FirstFrame => {
            Err(invalid(format!("pts of {seconds} s is out of range, it must be at least -{EARLIEST} s")))
        }
    }
}

/// Reads the settings that Python collected. The exception names the field and what is wrong with it.
pub(crate) fn settings<'py, T: for<'a> FromPyObject<'a, 'py, Error = PyErr>>(value: &Bound<'py, PyAny>) -> PyResult<T> {
    let mut error = match value.extract::<T>() {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    let mut field = "setting".to_owned();
    while let Some(cause) = error.cause(value.py()) {
        if let Some((_, name)) = error.value(value.py()).to_string().rsplit_once('.') {
            name.clone_into(&mut field);
        }
        error = cause;
    }
    Err(PyTypeError::new_err(format!("{field}: {}", error.value(value.py()))))
}

/// Converts seconds, rounded to microseconds: the nearest number to 0.04 must not become 39 ms.
pub(crate) fn duration(name: &str, seconds: f64) -> PyResult<Duration> {
    const MICROS: f64 = 1e6;
    // Year 9999, the last one of Python's datetime.
    const LARGEST: f64 = 253_402_300_800.0;
    if !(0.0..=LARGEST).contains(&seconds) {
        return Err(invalid(format!("{name} of {seconds} s is out of range, it must be 0 to {LARGEST} s")));
    }
    Ok(Duration::from_micros((seconds * MICROS).round() as u64))
}

/// Converts seconds since the Unix epoch.
pub(crate) fn instant(name: &str, seconds: f64) -> PyResult<SystemTime> {
    Ok(SystemTime::UNIX_EPOCH + duration(name, seconds)?)
}
