//! Kinesis Video Streams images: GetImages as a stream, image-generation and notification configuration.
