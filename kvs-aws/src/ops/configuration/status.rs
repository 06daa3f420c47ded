//! Responses without content.

use serde::Deserialize;

use crate::protocol::error::Error;
use crate::protocol::response::Response;

/// Reads a success that says nothing.
pub(crate) async fn nothing(response: Response) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Nothing {}
    let Nothing {} = response.json(crate::limits::RESPONSE_BYTES).await?;
    Ok(())
}
