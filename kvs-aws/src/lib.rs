//! What every Kinesis Video Streams call shares: signing, endpoints, retry decisions, typed errors and a lean hyper client.
