//! Kinesis Video Streams on your own machine: real media in, real pictures and notifications out.
