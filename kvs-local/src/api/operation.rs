//! The operations of the service and their paths.

use super::Plane;

/// An operation of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An operation of the control plane.
    Control(ControlOperation),
    /// PutMedia, whose request body is streamed.
    PutMedia,
    /// An operation that reads media.
    Read(ReadOperation),
    /// An operation that kvs-local does not implement, and the reason.
    NotImplemented { name: &'static str, reason: &'static str, plane: Plane },
}

/// The operations of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlOperation {
    CreateStream,
    DescribeStream,
    ListStreams,
    DeleteStream,
    UpdateStream,
    UpdateDataRetention,
    TagStream,
    UntagStream,
    ListTagsForStream,
    GetDataEndpoint,
    UpdateImageGenerationConfiguration,
    DescribeImageGenerationConfiguration,
    UpdateNotificationConfiguration,
    DescribeNotificationConfiguration,
    UpdateStreamStorageConfiguration,
    DescribeStreamStorageConfiguration,
    DescribeMappedResourceConfiguration,
}

/// The operations that read media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOperation {
    GetMedia,
    ListFragments,
    GetMediaForFragmentList,
    GetImages,
    GetClip,
    GetHlsStreamingSessionUrl,
    GetDashStreamingSessionUrl,
}

const SIGNALING: &str = "signaling channels (WebRTC) are not supported";
const EDGE: &str = "the edge agent is not supported";
const RESOURCE_TAGS: &str = "these tags belong to signaling channels; use TagStream for streams";

impl Operation {
    /// Returns the operation of a path, or `None` if the service has none. Paths are case-sensitive, as in the service.
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        use ControlOperation as Control;
        let missing = |name, reason| Self::NotImplemented { name, reason, plane: Plane::Control };
        let operation = match path {
            "/createStream" => Self::Control(Control::CreateStream),
            "/describeStream" => Self::Control(Control::DescribeStream),
            "/listStreams" => Self::Control(Control::ListStreams),
            "/deleteStream" => Self::Control(Control::DeleteStream),
            "/updateStream" => Self::Control(Control::UpdateStream),
            "/updateDataRetention" => Self::Control(Control::UpdateDataRetention),
            "/tagStream" => Self::Control(Control::TagStream),
            "/untagStream" => Self::Control(Control::UntagStream),
            "/listTagsForStream" => Self::Control(Control::ListTagsForStream),
            "/getDataEndpoint" => Self::Control(Control::GetDataEndpoint),
            "/updateImageGenerationConfiguration" => Self::Control(Control::UpdateImageGenerationConfiguration),
            "/describeImageGenerationConfiguration" => Self::Control(Control::DescribeImageGenerationConfiguration),
            "/updateNotificationConfiguration" => Self::Control(Control::UpdateNotificationConfiguration),
            "/describeNotificationConfiguration" => Self::Control(Control::DescribeNotificationConfiguration),
            "/updateStreamStorageConfiguration" => Self::Control(Control::UpdateStreamStorageConfiguration),
            "/describeStreamStorageConfiguration" => Self::Control(Control::DescribeStreamStorageConfiguration),
            "/describeMappedResourceConfiguration" => Self::Control(Control::DescribeMappedResourceConfiguration),
            "/putMedia" => Self::PutMedia,
            "/getMedia" => Self::Read(ReadOperation::GetMedia),
            "/listFragments" => Self::Read(ReadOperation::ListFragments),
            "/getMediaForFragmentList" => Self::Read(ReadOperation::GetMediaForFragmentList),
            "/getImages" => Self::Read(ReadOperation::GetImages),
            "/getClip" => Self::Read(ReadOperation::GetClip),
            "/getHLSStreamingSessionURL" => Self::Read(ReadOperation::GetHlsStreamingSessionUrl),
            "/getDASHStreamingSessionURL" => Self::Read(ReadOperation::GetDashStreamingSessionUrl),
            "/updateMediaStorageConfiguration" => missing("UpdateMediaStorageConfiguration", SIGNALING),
            "/describeMediaStorageConfiguration" => missing("DescribeMediaStorageConfiguration", SIGNALING),
            "/createSignalingChannel" => missing("CreateSignalingChannel", SIGNALING),
            "/deleteSignalingChannel" => missing("DeleteSignalingChannel", SIGNALING),
            "/describeSignalingChannel" => missing("DescribeSignalingChannel", SIGNALING),
            "/getSignalingChannelEndpoint" => missing("GetSignalingChannelEndpoint", SIGNALING),
            "/listSignalingChannels" => missing("ListSignalingChannels", SIGNALING),
            "/updateSignalingChannel" => missing("UpdateSignalingChannel", SIGNALING),
            "/startEdgeConfigurationUpdate" => missing("StartEdgeConfigurationUpdate", EDGE),
            "/describeEdgeConfiguration" => missing("DescribeEdgeConfiguration", EDGE),
            "/deleteEdgeConfiguration" => missing("DeleteEdgeConfiguration", EDGE),
            "/listEdgeAgentConfigurations" => missing("ListEdgeAgentConfigurations", EDGE),
            "/TagResource" => missing("TagResource", RESOURCE_TAGS),
            "/UntagResource" => missing("UntagResource", RESOURCE_TAGS),
            "/ListTagsForResource" => missing("ListTagsForResource", RESOURCE_TAGS),
            _ => return None,
        };
        Some(operation)
    }

    /// Returns the endpoint that has the operation.
    pub(crate) const fn plane(self) -> Plane {
        match self {
            Self::Control(_) => Plane::Control,
            Self::PutMedia | Self::Read(ReadOperation::GetMedia) => Plane::Media,
            Self::Read(_) => Plane::ArchivedMedia,
            Self::NotImplemented { plane, .. } => plane,
        }
    }
}
