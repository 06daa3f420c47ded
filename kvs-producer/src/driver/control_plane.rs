//! Executes control requests and opens connections with the client.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use kvs_aws::{ApiName, Client, CreateStream, DescribeStream, Endpoint, Error, PutMedia, PutMediaExchange, StreamId};
use kvs_types::StreamStatus;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::classify::failure;
use crate::io::control::{ControlRequest, ControlRequestId, ControlResponse, Freshness, NewStream};
use crate::io::failure::{Failure, FailureKind};
use crate::io::session_id::SessionId;
use crate::io::transmit::OpenRequest;

pub(super) type ResponseFuture = Pin<Box<dyn Future<Output = (ControlRequestId, ControlResponse)> + Send>>;
pub(super) type OpenFuture = Pin<Box<dyn Future<Output = (SessionId, Result<PutMediaExchange, Failure>)> + Send>>;

pub(super) fn send(client: Client, stream: StreamId, id: ControlRequestId, request: ControlRequest) -> ResponseFuture {
    Box::pin(async move {
        let _turn = turn(&request).await;
        let response = execute(&client, &stream, request).await;
        (id, response.unwrap_or_else(|error| ControlResponse::Failed(failure(&error))))
    })
}

/// Waits for a turn, but not for long: requests that do not end must not hold up the others for good.
async fn turn(request: &ControlRequest) -> Option<SemaphorePermit<'static>> {
    // Credentials are mostly at hand.
    if matches!(request, ControlRequest::Credentials(_)) {
        return None;
    }
    tokio::time::timeout(TURN, TURNS.acquire()).await.ok()?.ok()
}

/// The requests of all producers of the process at a time. When a thousand streams start together, each would open a connection of its
/// own; with turns they use those of each other.
static TURNS: Semaphore = Semaphore::const_new(32);
/// The longest wait for a turn.
const TURN: Duration = Duration::from_secs(3);

async fn execute(client: &Client, stream: &StreamId, request: ControlRequest) -> Result<ControlResponse, Error> {
    match request {
        ControlRequest::Credentials(freshness) => {
            if freshness == Freshness::Fresh {
                client.forget_credentials();
            }
            let end = client.credentials_expiry().await?;
            let lasts = end.map(|end| end.duration_since(client.service_time()).unwrap_or_default());
            Ok(ControlResponse::Credentials { lasts })
        }
        ControlRequest::DescribeStream => {
            let info = client.send(DescribeStream::new(stream.clone())).await?;
            let hours = info.data_retention_in_hours.map_or(UNKNOWN_RETENTION_HOURS, u64::from);
            Ok(ControlResponse::Described {
                // A missing status counts as active: if the stream is not, the service rejects the media.
                status: info.status.unwrap_or(StreamStatus::Active),
                retention: Duration::from_secs(hours * 3600),
            })
        }
        ControlRequest::CreateStream(new) => create(client, stream, new).await,
        ControlRequest::GetDataEndpoint => {
            client.forget_data_endpoint(stream, &ApiName::PutMedia);
            let endpoint = client.data_endpoint(stream, &ApiName::PutMedia).await?;
            Ok(ControlResponse::Endpoint(endpoint.to_string()))
        }
    }
}

async fn create(client: &Client, stream: &StreamId, new: NewStream) -> Result<ControlResponse, Error> {
    let StreamId::Name(name) = stream else {
        let text = "cannot create a stream by its ARN: use its name";
        return Ok(ControlResponse::Failed(Failure::new(FailureKind::InvalidRequest, text)));
    };
    let hours = u32::try_from(new.retention.as_secs().div_ceil(3600)).unwrap_or(u32::MAX);
    let mut create = CreateStream::new(name.clone()).media_type(new.media_type).data_retention_in_hours(hours);
    if let Some(key) = new.kms_key_id {
        create = create.kms_key_id(key);
    }
    for (key, value) in new.tags {
        create = create.tag(key, value);
    }
    client.send(create).await?;
    Ok(ControlResponse::Created)
}

pub(super) fn open(client: Client, stream: StreamId, session: SessionId, request: OpenRequest) -> OpenFuture {
    Box::pin(async move { (session, connect(&client, stream, request).await) })
}

async fn connect(client: &Client, stream: StreamId, request: OpenRequest) -> Result<PutMediaExchange, Failure> {
    let endpoint: Endpoint = request
        .endpoint
        .parse()
        .map_err(|error: kvs_aws::InvalidEndpoint| Failure::new(FailureKind::InvalidRequest, error.to_string()))?;
    let timecode_type = request.timecode_type;
    let session = PutMedia::new(stream, timecode_type).start_timestamp(request.producer_start);
    client.put_media(session, &endpoint).await.map_err(|error| failure(&error))
}

/// If the response does not say, assume retention: only then the service acknowledges with `PERSISTED`.
const UNKNOWN_RETENTION_HOURS: u64 = 1;
