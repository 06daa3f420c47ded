//! GetDataEndpoint.

use kvs_types::{InvalidField, StreamId};
use serde::{Deserialize, Serialize};

use crate::client_limits;
use crate::net::endpoint::Endpoint;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::{ApiName, Operation};
use crate::protocol::response::Response;

/// Returns the endpoint for a data-plane operation of a stream. [`Client::data_endpoint`](crate::Client::data_endpoint)
/// caches it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GetDataEndpoint {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(rename = "APIName")]
    api: ApiName,
}

impl GetDataEndpoint {
    /// Creates a request for the endpoint of `api`.
    #[must_use]
    pub const fn new(stream: StreamId, api: ApiName) -> Self {
        Self { stream, api }
    }
}

impl Operation for GetDataEndpoint {
    type Output = Endpoint;
    const NAME: &'static str = "GetDataEndpoint";
    const PATH: &'static str = "/getDataEndpoint";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    async fn read(response: Response) -> Result<Endpoint, Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(rename = "DataEndpoint")]
            endpoint: Option<String>,
        }
        let operation = response.operation;
        let invalid = |problem| Error::Response { operation, problem };
        let body: Body = response.json(client_limits::RESPONSE_BYTES).await?;
        let text = body.endpoint.ok_or_else(|| invalid(ResponseProblem::Missing("DataEndpoint")))?;
        text.parse().map_err(|_| invalid(ResponseProblem::Member { member: "DataEndpoint", value: text }))
    }
}
