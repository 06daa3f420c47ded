//! The client, with credentials that Python provides.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use kvs_aws::{ClientConfig, Credentials, Proxy, Region, TlsRoots};
use pyo3::prelude::*;

use crate::errors::{chain, exception, invalid};

/// A client of the service. `credentials` is a function that returns key, secret, token and the time when they expire.
#[pyclass(frozen, module = "kvs._kvs")]
#[derive(Debug)]
pub(crate) struct Client {
    client: kvs_aws::Client,
    failure: Failure,
}

/// Why Python gave no credentials at the last attempt, if it gave none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    fn set(&self, failure: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Client {
    pub(crate) fn client(&self) -> kvs_aws::Client {
        self.client.clone()
    }

    pub(crate) fn credentials_failure(&self) -> Failure {
        self.failure.clone()
    }
}

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
        let failure = Failure::default();
        let mut config =
            ClientConfig::new(region, PythonCredentials { function: Arc::new(credentials), failure: failure.clone() })
                .proxy(proxy)
                .user_agent(agent);
        if let Some(url) = endpoint_url {
            config = config.endpoint_url(url).map_err(|error| invalid(chain(&error)))?;
        }
        if let Some(path) = ca_bundle {
            config = config.tls_roots(TlsRoots::PemFile(path.into()));
        }
        let client = kvs_aws::Client::new(config).map_err(|error| exception("InvalidValueError", &chain(&error)))?;
        Ok(Self { client, failure })
    }
}

/// A function of Python that returns credentials. It may refresh them over the network, so it runs on a thread of its own.
struct PythonCredentials {
    function: Arc<Py<PyAny>>,
    failure: Failure,
}

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
        let function = Arc::clone(&self.function);
        future::ProvideCredentials::new(async move {
            let called = tokio::task::spawn_blocking(move || call(&function)).await;
            let provided = called.map_err(CredentialsError::unhandled)?;
            self.failure.set(provided.as_ref().err().map(ToString::to_string));
            provided.map_err(CredentialsError::provider_error)
        })
    }
}

type Provided = (String, String, Option<String>, Option<SystemTime>);

fn call(function: &Py<PyAny>) -> Result<Credentials, Box<dyn std::error::Error + Send + Sync>> {
    let called = Python::try_attach(|py| function.call0(py)?.extract::<Provided>(py));
    let (key, secret, token, expiry) = called.ok_or("Python is ending")??;
    Ok(Credentials::new(key, secret, token, expiry, "python"))
}
