//! Which operation a path names.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// An operation of the control plane.
    Control(ControlOperation),
    /// PutMedia: the one whose body streams in.
    PutMedia,
    /// An operation that reads media.
    Read(ReadOperation),
    /// An operation of the service that is not built here, and why.
    Missing { operation: &'static str, why: &'static str },
    /// No operation of the service.
    Unknown,
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
}

const PACKAGING: &str =
    "packaging into MP4 and playlists is not built; GetMedia and GetMediaForFragmentList give the media";
const SIGNALING: &str = "signaling channels (WebRTC) are not part of this service";
const EDGE: &str = "there is no edge agent to configure";
const RESOURCE_TAGS: &str = "these tags belong to signaling channels; streams have TagStream";

impl Route {
    /// The route of a path; paths are case-sensitive, as at the service.
    pub(crate) fn of(path: &str) -> Self {
        use ControlOperation as Control;
        let missing = |operation, why| Self::Missing { operation, why };
        match path {
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
            "/getClip" => missing("GetClip", PACKAGING),
            "/getHLSStreamingSessionURL" => missing("GetHLSStreamingSessionURL", PACKAGING),
            "/getDASHStreamingSessionURL" => missing("GetDASHStreamingSessionURL", PACKAGING),
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
            _ => Self::Unknown,
        }
    }
}
