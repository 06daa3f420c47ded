//! The images of a time range.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_images::{ImageFailure, ImageStream, ImagesExt, StreamId, TimestampOrigin};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::sync::Mutex;

use crate::client::Client;
use crate::errors::{chain, exception, from_call, invalid};
use crate::input::instant;
use crate::runtime::wait;

/// Returns one item for each timestamp: the time, and the file or the exception that says why there is none.
#[pyclass(frozen, module = "kvs._kvs")]
#[derive(Debug)]
pub(crate) struct ImageIterator {
    stream: Arc<Mutex<ImageStream>>,
    #[pyo3(get)]
    count: u64,
}

/// What the images of a range look like.
#[derive(FromPyObject)]
struct ImageSettings {
    stream: String,
    start: f64,
    end: f64,
    interval_ms: u64,
    format: String,
    quality: Option<u8>,
    size: Option<(u32, u32)>,
    selector: String,
}

type Item<'py> = (SystemTime, Option<Bound<'py, PyBytes>>, Option<PyErr>);

#[pymethods]
impl ImageIterator {
    #[new]
    fn new(client: &Bound<'_, Client>, settings: &Bound<'_, PyAny>) -> PyResult<Self> {
        let settings: ImageSettings = crate::input::settings(settings)?;
        let id: StreamId = settings.stream.parse().map_err(|error| invalid(chain(&error)))?;
        let range = instant("start_timestamp", settings.start)?..instant("end_timestamp", settings.end)?;
        let mut images =
            client.get().client().images(id).range(range).every(Duration::from_millis(settings.interval_ms));
        if let Some((width, height)) = settings.size {
            images = images.size(width, height);
        }
        images = match (settings.format.as_str(), settings.quality) {
            ("JPEG", Some(quality)) => images.jpeg(quality),
            ("JPEG", None) => images,
            ("PNG", None) => images.png(),
            ("PNG", Some(_)) => return Err(invalid("jpeg_quality is for format JPEG, not PNG")),
            (other, _) => return Err(invalid(format!("format {other:?}, it must be JPEG or PNG"))),
        };
        images = match settings.selector.as_str() {
            "PRODUCER_TIMESTAMP" => images.origin(TimestampOrigin::Producer),
            "SERVER_TIMESTAMP" => images.origin(TimestampOrigin::Server),
            other => {
                let message =
                    format!("image_selector_type {other:?}, it must be PRODUCER_TIMESTAMP or SERVER_TIMESTAMP");
                return Err(invalid(message));
            }
        };
        let refused = |error| invalid(chain(&error));
        let count = images.count().map_err(refused)?;
        let stream = Arc::new(Mutex::new(images.stream().map_err(refused)?));
        Ok(Self { stream, count })
    }

    /// Returns the next item, `None` at the end.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Item<'py>>> {
        let stream = Arc::clone(&self.stream);
        let Some(image) = wait(py, async move { stream.lock().await.next().await })? else { return Ok(None) };
        Ok(Some(match image.content {
            Ok(file) => (image.at, Some(PyBytes::new(py, &file)), None),
            Err(failure) => (image.at, None, Some(reason(&failure))),
        }))
    }
}

fn reason(failure: &ImageFailure) -> PyErr {
    match failure {
        ImageFailure::Call(error) => from_call(error),
        ImageFailure::Service(error) => {
            let code = match error.as_str() {
                "NO_MEDIA" => "NoMediaError",
                "MEDIA_ERROR" => "MediaError",
                _ => "ImageError",
            };
            exception(code, &failure.to_string())
        }
        _ => exception("ImageError", &failure.to_string()),
    }
}
