//! GetDataEndpoint.

use kvs_types::{InvalidField, StreamId};
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::net::endpoint::Endpoint;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::{ApiName, Operation};
use crate::protocol::response::Response;

/// Asks where a stream takes one of the data calls. [`Client::data_endpoint`](crate::Client::data_endpoint) keeps the
/// answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GetDataEndpoint {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(rename = "APIName")]
    api: ApiName,
}

impl GetDataEndpoint {
    /// Where does `stream` take `api`?
    #[must_use]
    pub const fn new(stream: StreamId, api: ApiName) -> Self {
        Self { stream, api }
    }
}

impl Operation for GetDataEndpoint {
    type Output = Endpoint;
    const NAME: &'static str = "GetDataEndpoint";
    const PATH: &'static str = "/getDataEndpoint";

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    async fn read(response: Response) -> Result<Endpoint, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "DataEndpoint")]
            endpoint: Option<String>,
        }
        let operation = response.operation;
        let refuse = |problem| Error::Response { operation, problem };
        let answer: Answer = response.json(limits::RESPONSE_BYTES).await?;
        let text = answer.endpoint.ok_or_else(|| refuse(ResponseProblem::Missing("DataEndpoint")))?;
        text.parse().map_err(|_| refuse(ResponseProblem::Member { member: "DataEndpoint", value: text }))
    }
}
