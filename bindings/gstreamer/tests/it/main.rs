//! The element in pipelines and in GStreamer's check harness, against kvs-local in this process.

mod bad_input;
mod changes;
mod credentials;
mod documented;
mod endings;
mod flow;
mod helpers;
mod launch;
mod reports;
mod states;
mod support;
