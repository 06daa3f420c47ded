//! The endpoints of the service and the operations of each.

use super::Operation;

/// The endpoint that a request arrived at.
///
/// The service has a control endpoint, and GetDataEndpoint returns one of two others: `s-…` for PutMedia and GetMedia, `b-…` for
/// archived media. An operation that is sent to another endpoint than its own is unknown there, which is the most frequent
/// mistake in calls of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    /// The control plane.
    Control,
    /// PutMedia and GetMedia.
    Media,
    /// ListFragments, GetMediaForFragmentList, GetImages, GetClip and streaming sessions.
    ArchivedMedia,
    /// All operations.
    All,
}

/// The base URLs that GetDataEndpoint returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataEndpoints {
    pub(crate) media: String,
    pub(crate) archived_media: String,
}

/// The ports of the data endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataPorts {
    /// The port of the control endpoint serves everything.
    Shared,
    /// Ports of their own.
    Own { media: u16, archived_media: u16 },
}

impl Plane {
    /// Returns whether the endpoint has an operation.
    pub(crate) fn serves(self, operation: Operation) -> bool {
        self == Self::All || self == operation.plane()
    }

    /// Returns the endpoint in words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Control => "control endpoint",
            Self::Media => "PUT_MEDIA and GET_MEDIA data endpoint",
            Self::ArchivedMedia => "archived media data endpoint",
            Self::All => "endpoint of all operations",
        }
    }
}

impl DataPorts {
    /// Returns the data endpoints for a client that reached the control endpoint at `endpoint`, `SCHEME://HOST:PORT`.
    pub(crate) fn endpoints(self, endpoint: &str) -> DataEndpoints {
        let at = |port: u16| match endpoint.rsplit_once(':') {
            Some((host, _)) => format!("{host}:{port}"),
            None => endpoint.to_owned(),
        };
        match self {
            Self::Shared => DataEndpoints { media: endpoint.to_owned(), archived_media: endpoint.to_owned() },
            Self::Own { media, archived_media } => {
                DataEndpoints { media: at(media), archived_media: at(archived_media) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_endpoints_have_the_host_of_the_client_and_their_own_ports() {
        let own = DataPorts::Own { media: 4568, archived_media: 4569 };
        for host in ["http://127.0.0.1", "https://[::1]", "http://localhost"] {
            let endpoints = own.endpoints(&format!("{host}:4567"));
            assert_eq!(endpoints.media, format!("{host}:4568"));
            assert_eq!(endpoints.archived_media, format!("{host}:4569"));
        }
        assert_eq!(DataPorts::Shared.endpoints("https://kvs.test").media, "https://kvs.test");
    }

    #[test]
    fn each_operation_has_one_endpoint() {
        let plane = |path| Operation::from_path(path).unwrap().plane();
        assert_eq!(plane("/describeStream"), Plane::Control);
        assert_eq!(plane("/createSignalingChannel"), Plane::Control);
        assert_eq!((plane("/putMedia"), plane("/getMedia")), (Plane::Media, Plane::Media));
        assert_eq!((plane("/getImages"), plane("/getClip")), (Plane::ArchivedMedia, Plane::ArchivedMedia));
    }
}
