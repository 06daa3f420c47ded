//! The actions of each role, from the service authorization reference of each service.

use serde::Serialize;

/// A policy document, its members in the order in which people write them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// What is allowed, on what.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'static str>,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
}

/// Who may take a role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Principal {
    service: &'static str,
}

impl Policy {
    pub(super) const fn new(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }
}

impl Statement {
    fn allow<A: Into<String>>(actions: impl IntoIterator<Item = A>, resource: impl Into<String>) -> Self {
        let action = actions.into_iter().map(Into::into).collect();
        Self { sid: None, effect: "Allow", principal: None, action, resource: Some(resource.into()) }
    }

    const fn with_sid(mut self, sid: &'static str) -> Self {
        self.sid = Some(sid);
        self
    }
}

/// Playback, clips and media. GetDataEndpoint gives the address of each of the others.
pub(super) const VIEWING: [&str; 7] = [
    "GetDataEndpoint",
    "ListFragments",
    "GetMedia",
    "GetMediaForFragmentList",
    "GetClip",
    "GetHLSStreamingSessionURL",
    "GetDASHStreamingSessionURL",
];

pub(super) const IMAGES: [&str; 2] = ["GetDataEndpoint", "GetImages"];

/// `kvs streams`, `kvs config` and `kvs doctor`.
pub(super) const MANAGING: [&str; 18] = [
    "CreateStream",
    "DescribeStream",
    "UpdateStream",
    "UpdateDataRetention",
    "DeleteStream",
    "TagStream",
    "UntagStream",
    "ListTagsForStream",
    "DescribeImageGenerationConfiguration",
    "UpdateImageGenerationConfiguration",
    "DescribeNotificationConfiguration",
    "UpdateNotificationConfiguration",
    "DescribeStreamStorageConfiguration",
    "UpdateStreamStorageConfiguration",
    "GetDataEndpoint",
    "ListFragments",
    "GetMediaForFragmentList",
    "GetImages",
];

/// What a producer calls. A stream that it creates may get tags at once.
pub(super) fn sending(create: bool) -> Vec<&'static str> {
    let mut actions = vec!["DescribeStream", "GetDataEndpoint", "PutMedia"];
    if create {
        actions.extend(["CreateStream", "TagStream"]);
    }
    actions
}

pub(super) fn stream(sid: &'static str, actions: &[&str], arn: &str) -> Statement {
    Statement::allow(actions.iter().map(|action| format!("kinesisvideo:{action}")), arn).with_sid(sid)
}

/// ListStreams knows no resource.
pub(super) fn list() -> Statement {
    stream("List", &["ListStreams"], "*")
}

/// The bucket of the images. The service writes with the rights of whoever calls PutMedia.
pub(super) fn bucket(name: &str, partition: &str, writes: bool) -> Vec<Statement> {
    let bucket = format!("arn:{partition}:s3:::{name}");
    let objects = format!("{bucket}/*");
    if writes {
        return vec![Statement::allow(["s3:PutObject"], objects).with_sid("WriteImages")];
    }
    vec![
        Statement::allow(["s3:GetObject"], objects).with_sid("ReadImages"),
        Statement::allow(["s3:ListBucket"], bucket).with_sid("ListImages"),
    ]
}

pub(super) fn topic(arn: &str) -> Statement {
    Statement::allow(["sns:Publish"], arn).with_sid("Notify")
}

pub(super) fn key(arn: &str, sends: bool) -> Statement {
    let actions = if sends { &["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt"][..] } else { &["kms:Decrypt"] };
    Statement::allow(actions.iter().copied(), arn).with_sid("UseKey")
}

/// Who may take the role of devices: the credentials provider of AWS IoT.
pub(super) fn trust() -> Statement {
    let provider = Principal { service: "credentials.iot.amazonaws.com" };
    let statement = Statement::allow(["sts:AssumeRole"], "");
    Statement { principal: Some(provider), resource: None, ..statement }
}

/// An IoT policy, which is attached to certificates.
pub(super) fn alias(arn: &str) -> Statement {
    Statement::allow(["iot:AssumeRoleWithCertificate"], arn)
}
