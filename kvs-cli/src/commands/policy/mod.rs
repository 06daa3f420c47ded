//! `kvs policy`: the IAM policy of a role, with the actions that it needs and no others.

mod resource;
mod roles;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::print_json;
use clap::{Args, ValueEnum};
use resource::{parse_arn, parse_bucket};
use roles::{Policy, Statement};

/// Prints an IAM policy for a role: exactly the actions that it needs, on one stream or a pattern of streams.
///
/// The ARN may have wildcards: arn:aws:kinesisvideo:eu-west-1:111122223333:stream/front-door/* fits the stream also if it is created
/// again. Calls no service and needs no credentials.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the identity does.
    #[arg(value_enum)]
    role: Role,
    /// ARN of the stream, or a pattern; for iot-alias, the ARN of the role alias; for iot-trust, nothing.
    #[arg(value_name = "ARN", value_parser = parse_arn)]
    arn: Option<String>,
    /// The producer creates the stream if it does not exist.
    #[arg(long)]
    create: bool,
    /// Bucket of the images: the producer writes to it, an image reader reads from it.
    #[arg(long, value_name = "BUCKET", value_parser = parse_bucket)]
    image_bucket: Option<String>,
    /// ARN of the SNS topic that notifications go to: the producer publishes to it.
    #[arg(long, value_name = "ARN", value_parser = parse_arn)]
    topic: Option<String>,
    /// ARN of the KMS key of the stream, if it is one of yours.
    #[arg(long, value_name = "ARN", value_parser = parse_arn)]
    kms_key: Option<String>,
}

/// What an identity does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Sends media: a camera or a gateway.
    Producer,
    /// Plays and reads media.
    Viewer,
    /// Gets images.
    ImageReader,
    /// Manages streams and their configurations, and runs kvs doctor.
    Admin,
    /// Sends media with a device certificate: the policy of the role. Use ${credentials-iot:ThingName} as the stream's name.
    Iot,
    /// The trust policy of that role.
    IotTrust,
    /// The IoT policy that lets a certificate use the role alias.
    IotAlias,
}

/// Prints the policy.
pub(crate) fn run(options: &Options, global: &GlobalOptions) -> Result<(), Failure> {
    options.check()?;
    let policy = Policy::new(options.statements());
    let text =
        if global.output().is_json() { serde_json::to_string(&policy) } else { serde_json::to_string_pretty(&policy) };
    print_json(text.map_err(Failure::of_run)?);
    Ok(())
}

impl Options {
    fn check(&self) -> Result<(), Failure> {
        let wanted = match self.role {
            Role::IotTrust => None,
            Role::IotAlias => Some(("iot", "rolealias/NAME")),
            _ => Some(("kinesisvideo", "stream/NAME/CREATION-TIME")),
        };
        match (wanted, &self.arn) {
            (Some((service, resource)), None) => {
                Err(Failure::input(format!("an ARN is missing: arn:aws:{service}:REGION:ACCOUNT:{resource}")))
            }
            (None, Some(_)) => Err(Failure::input("iot-trust takes no ARN")),
            (Some((service, resource)), Some(arn)) => resource::is_of(arn, service, resource),
            (None, None) => Ok(()),
        }?;
        let fits = |arn: &Option<String>, service, resource| {
            arn.as_ref().map_or(Ok(()), |arn| resource::is_of(arn, service, resource))
        };
        fits(&self.topic, "sns", "TOPIC")?;
        fits(&self.kms_key, "kms", "key/ID")?;
        let sends = matches!(self.role, Role::Producer | Role::Iot);
        let unused = [
            (self.create && !sends, "--create"),
            (self.topic.is_some() && !sends, "--topic"),
            (self.image_bucket.is_some() && !sends && self.role != Role::ImageReader, "--image-bucket"),
            (self.kms_key.is_some() && matches!(self.role, Role::IotTrust | Role::IotAlias), "--kms-key"),
        ];
        match unused.iter().find(|(given, _)| *given) {
            Some((_, option)) => Err(Failure::input(format!("{option} adds nothing to this role; leave it out"))),
            None => Ok(()),
        }
    }

    fn statements(&self) -> Vec<Statement> {
        let arn = self.arn.as_deref().unwrap_or_default();
        let mut statements = match self.role {
            Role::IotTrust => return vec![roles::trust()],
            Role::IotAlias => return vec![roles::alias(arn)],
            Role::Producer | Role::Iot => vec![roles::stream("Send", &roles::sending(self.create), arn)],
            Role::Viewer => vec![roles::stream("View", &roles::VIEWING, arn)],
            Role::ImageReader => vec![roles::stream("GetImages", &roles::IMAGES, arn)],
            Role::Admin => vec![roles::stream("Manage", &roles::MANAGING, arn), roles::list()],
        };
        let sends = matches!(self.role, Role::Producer | Role::Iot);
        let partition = arn.split(':').nth(1).unwrap_or("aws");
        statements.extend(self.image_bucket.iter().flat_map(|bucket| roles::bucket(bucket, partition, sends)));
        statements.extend(self.topic.as_ref().map(|topic| roles::topic(topic)));
        statements.extend(self.kms_key.as_ref().map(|key| roles::key(key, sends)));
        statements
    }
}
