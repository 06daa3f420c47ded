//! Kinesis Video Streams producer: a sans-IO PutMedia state machine with a tokio driver.
