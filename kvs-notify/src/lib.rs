//! Typed models for what Kinesis Video Streams sends: SNS fragment notifications, S3 image objects, SQS, EventBridge and Lambda envelopes.
