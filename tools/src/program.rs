//! What the tools' `main` functions share.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use kvs_aws::{Client, ClientConfig, Credentials, Region, TlsRoots};

/// The error type of a tool: every error ends the run with its message.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Address of the local service under test. Requests are signed with the fixed keys of kvs-local.
#[derive(Clone, Debug, Args)]
pub struct Service {
    /// URL of the service.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4567")]
    endpoint: String,
    /// Trusted certificate authorities for an https URL: `ca.pem` in the data folder of kvs-local.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Service {
    /// Returns a client of the service.
    ///
    /// # Errors
    ///
    /// If the endpoint is not a valid URL.
    pub fn client(&self) -> Result<Client, BoxError> {
        let credentials = Credentials::new(kvs_local::ACCESS_KEY, kvs_local::SECRET_KEY, None, None, "kvs-tools");
        let config = ClientConfig::new(Region::new("us-west-2")?, credentials).endpoint_url(&self.endpoint)?;
        let config = match &self.ca {
            Some(file) => config.tls_roots(TlsRoots::PemFile(file.clone())),
            None => config,
        };
        Ok(Client::new(config)?)
    }
}

/// Prints an error with its causes to standard error and returns the exit code of the program.
pub fn exit_code(result: Result<(), BoxError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    eprintln!("error: {line}");
    ExitCode::FAILURE
}
