//! The client, with credentials that Python provides.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use kvs_aws::{ClientConfig, Credentials, Proxy, Region, TlsRoots};
use pyo3::prelude::*;

use crate::errors::{chain, exception, invalid};

/// A client of the service. `credentials` is a function that returns key, secret, token and the time when they expire.
#[pyclass(frozen, module = "kvs._kvs")]
#[derive(Debug)]
pub(crate) struct Client(pub(crate) kvs_aws::Client);

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (region_name, credentials, endpoint_url, ca_bundle))]
    fn new(
        region_name: &str,
        credentials: Py<PyAny>,
        endpoint_url: Option<&str>,
        ca_bundle: Option<&str>,
    ) -> PyResult<Self> {
        let region = Region::new(region_name).map_err(|error| invalid(chain(&error)))?;
        let proxy = Proxy::from_env().map_err(|error| invalid(chain(&error)))?;
        let agent = concat!("kvs-python/", env!("CARGO_PKG_VERSION"));
        let mut config =
            ClientConfig::new(region, PythonCredentials(Arc::new(credentials))).proxy(proxy).user_agent(agent);
        if let Some(url) = endpoint_url {
            config = config.endpoint_url(url).map_err(|error| invalid(chain(&error)))?;
        }
        if let Some(path) = ca_bundle {
            config = config.tls_roots(TlsRoots::PemFile(path.into()));
        }
        let client = kvs_aws::Client::new(config).map_err(|error| exception("InvalidValueError", &chain(&error)))?;
        Ok(Self(client))
    }
}

/// A function of Python that returns credentials. It may refresh them over the network, so it runs on a thread of its own.
struct PythonCredentials(Arc<Py<PyAny>>);

impl fmt::Debug for PythonCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonCredentials")
    }
}

impl ProvideCredentials for PythonCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let function = Arc::clone(&self.0);
        future::ProvideCredentials::new(async move {
            let called = tokio::task::spawn_blocking(move || call(&function)).await;
            called.map_err(CredentialsError::unhandled)?.map_err(CredentialsError::provider_error)
        })
    }
}

type Provided = (String, String, Option<String>, Option<SystemTime>);

fn call(function: &Py<PyAny>) -> Result<Credentials, Box<dyn std::error::Error + Send + Sync>> {
    let called = Python::try_attach(|py| function.call0(py)?.extract::<Provided>(py));
    let (key, secret, token, expiry) = called.ok_or("Python is ending")??;
    Ok(Credentials::new(key, secret, token, expiry, "python"))
}
