//! Why the service returned no image.

use crate::open_enum::open_enum;

open_enum! {
    /// Why the service returned no image for a timestamp (`Error` of an image in the response of GetImages).
    /// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_reader_Image.html>
    pub enum ImageError {
        /// There is no media at the timestamp.
        NoMedia = "NO_MEDIA",
        /// There is media at the timestamp, but it cannot be decoded into an image.
        MediaError = "MEDIA_ERROR",
    }
}
