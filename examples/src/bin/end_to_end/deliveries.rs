//! What the service delivers: images to S3, notifications through SNS.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::bucket;
use crate::options::Options;
use crate::service::Service;
use crate::verdict;
use crate::watch::Watch;

/// How long deliveries may take after the last fragment was persisted.
const WITHIN: Duration = Duration::from_secs(20);
/// Time between two looks at the bucket.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long to wait for unexpected deliveries once everything expected has arrived.
const SETTLE: Duration = Duration::from_millis(300);

/// Waits until everything expected has arrived, or for as long as deliveries may take.
pub(crate) async fn wait(service: &mut Service, options: &Options, watch: &Watch) {
    let deadline = Instant::now() + WITHIN;
    let mut last_look = false;
    loop {
        look(service, options, watch);
        if last_look || Instant::now() > deadline || unseen(service, options).is_some() {
            return;
        }
        last_look = verdict::undelivered(&watch.open(), options.interval.into()).is_empty();
        pause(service, watch, if last_look { SETTLE } else { POLL_INTERVAL }).await;
    }
}

/// Records notifications for some time.
async fn pause(service: &mut Service, watch: &Watch, time: Duration) {
    let end = Instant::now() + time;
    while let Some(inbox) = &mut service.inbox {
        match tokio::time::timeout_at(end, inbox.next()).await {
            Ok(Some(content)) => watch.content(&content),
            Ok(None) | Err(_) => break,
        }
    }
    tokio::time::sleep_until(end).await;
}

fn look(service: &Service, options: &Options, watch: &Watch) {
    if let Some(folder) = service.bucket() {
        match bucket::images(&folder, &options.out, &options.stream) {
            Ok(objects) => watch.image_objects(objects),
            Err(error) => watch.remark(format!("{}: {error}", folder.display())),
        }
    }
    if let (None, Some(folder)) = (&service.inbox, service.topic()) {
        read_topic(&folder, watch);
    }
}

/// Reads the messages that kvs-local stores for the topic.
fn read_topic(folder: &Path, watch: &Watch) {
    watch.open().notifications.clear();
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let text = std::fs::read(entry.path()).ok();
        if let Some(Ok(delivery)) = text.map(|text| kvs_notify::decode(&text)) {
            delivery.messages.iter().for_each(|message| watch.content(&message.content));
        }
    }
}

/// Says so if deliveries were requested and cannot be seen from this machine.
pub(crate) fn unseen(service: &Service, options: &Options) -> Option<String> {
    let asked = options.event.images() || options.event.notifications();
    (asked && service.bucket().is_none()).then(|| {
        "images and notifications go to the S3 and SNS of the service and cannot be seen from this machine: give the data \
         directory of a kvs-local with --service-data, or request none with --event none"
            .to_owned()
    })
}
