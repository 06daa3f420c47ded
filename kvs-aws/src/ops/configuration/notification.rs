//! The operations of notifications.

use kvs_types::{InvalidField, NotificationConfiguration};

use crate::ops::configuration::StreamConfiguration;

impl StreamConfiguration for NotificationConfiguration {
    const MEMBER: &'static str = "NotificationConfiguration";
    const UPDATE: [&'static str; 2] = ["UpdateNotificationConfiguration", "/updateNotificationConfiguration"];
    const DESCRIBE: [&'static str; 2] = ["DescribeNotificationConfiguration", "/describeNotificationConfiguration"];

    fn check(&self) -> Result<(), InvalidField> {
        Self::check(self)
    }
}
