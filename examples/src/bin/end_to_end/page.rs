//! `index.html`: the journey as a page.

use std::fmt::{Display, Write};

use crate::journal::{Fragment, Journal};

/// Returns the whole page. Text from outside is escaped.
pub(crate) fn render(journal: &Journal, missing: &[String], timelapse: Option<&str>) -> String {
    let mut page = head(journal);
    page += &verdict(journal, missing);
    page += &fragments(journal);
    page += &image_objects(journal);
    page += &notifications(journal);
    page += &images(journal, timelapse);
    page += "</html>\n";
    page
}

fn head(journal: &Journal) -> String {
    let (style, stream, recording) = (include_str!("page.css"), escape(&journal.stream), escape(&journal.recording));
    let start = journal.start_ms;
    format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Camera to image: {stream}</title>
<style>
{style}</style>
<h1>Camera to image</h1>
<p>Stream <b>{stream}</b>, {recording}. Time 0 of the recording is {start} ms since 1970.</p>
"#
    )
}

fn verdict(journal: &Journal, missing: &[String]) -> String {
    let mut html = if missing.is_empty() {
        format!(
            "<div class=\"verdict\"><b>Everything arrived</b>: {} fragments persisted, {} image objects, {} \
             notifications, {} images from GetImages.</div>\n",
            journal.persisted(),
            journal.image_objects.len(),
            journal.notifications.len(),
            journal.images.len()
        )
    } else {
        let items: String = missing.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        format!("<div class=\"verdict bad\"><b>Something is missing</b><ul>{items}</ul></div>\n")
    };
    for remark in &journal.remarks {
        line(&mut html, format_args!("<p>{}</p>", escape(remark)));
    }
    html
}

fn fragments(journal: &Journal) -> String {
    let mut html = "\n<h2>Timeline</h2>\n<div class=\"line\">\n".to_owned();
    for fragment in journal.fragments.values() {
        let (timecode, grow, class) = (fragment.timecode, fragment.span_ms + 40, class(fragment));
        let (frames, bytes, offset) = (fragment.frames, fragment.bytes, seconds(journal, timecode));
        line(
            &mut html,
            format_args!(
                "<a href=\"#f{timecode}\" style=\"flex-grow:{grow}\" class=\"{class}\" \
                 title=\"{frames} frames, {bytes} bytes\">{offset}</a>"
            ),
        );
    }
    html += "</div>\n<p>Each bar is a fragment, in seconds of the recording; colored ones are tagged.</p>\n\
             <div class=\"scroll\"><table>\n<tr><th>fragment</th><th>number</th><th>frames</th><th>bytes</th>\
             <th>requests</th><th>acks, ms after the start</th></tr>\n";
    for fragment in journal.fragments.values() {
        line(&mut html, fragment_row(journal, fragment));
    }
    html + "</table></div>\n"
}

fn class(fragment: &Fragment) -> &'static str {
    match (fragment.persisted, fragment.image_tag || fragment.notification_tag) {
        (false, _) => "lost",
        (true, true) => "tagged",
        (true, false) => "",
    }
}

fn fragment_row(journal: &Journal, fragment: &Fragment) -> String {
    let (timecode, offset) = (fragment.timecode, seconds(journal, fragment.timecode));
    let acks: String = fragment.acks.iter().map(|ack| format!("{} {}<br>", escape(&ack.kind), ack.after_ms)).collect();
    let requests = [(fragment.image_tag, "images "), (fragment.notification_tag, "notification")];
    let requests: String = requests.iter().filter(|(tagged, _)| *tagged).map(|(_, name)| *name).collect();
    format!(
        "<tr id=\"f{timecode}\"><td>{offset} s<br><span class=\"mono\">{timecode}</span></td><td class=\"mono\">{}</td>\
         <td>{}</td><td>{}</td><td>{requests}</td><td class=\"mono\">{acks}</td></tr>",
        escape(fragment.number.as_deref().unwrap_or("none")),
        fragment.frames,
        fragment.bytes,
    )
}

fn image_objects(journal: &Journal) -> String {
    let mut html = "\n<h2>Image objects in S3</h2>\n<div class=\"grid\">\n".to_owned();
    for object in &journal.image_objects {
        let (url, offset, key) = (url_of(&object.path), seconds(journal, object.timecode), escape(&object.key));
        let metadata: String = object
            .metadata
            .iter()
            .map(|(name, value)| format!("<dt>{}</dt><dd class=\"mono\">{}</dd>", escape(name), escape(value)))
            .collect();
        line(
            &mut html,
            format_args!(
                "<figure><img src=\"{url}\" alt=\"image at {offset} s\" loading=\"lazy\"><figcaption><b>{offset} s</b>\
                 <div class=\"mono\">{key}</div><dl>{metadata}</dl></figcaption></figure>"
            ),
        );
    }
    if journal.image_objects.is_empty() {
        html += "<p>None were requested, or the bucket cannot be read from this machine.</p>\n";
    }
    html + "</div>\n"
}

fn notifications(journal: &Journal) -> String {
    let mut html = "\n<h2>Notifications</h2>\n<div class=\"scroll\"><table>\n<tr><th>fragment</th><th>number</th>\
                    <th>type</th><th>payload</th><th>ms after the start</th></tr>\n"
        .to_owned();
    for one in &journal.notifications {
        let payload: String =
            one.payload.iter().map(|(name, value)| format!("{} = {}<br>", escape(name), escape(value))).collect();
        line(
            &mut html,
            format_args!(
                "<tr><td>{} s</td><td class=\"mono\">{}</td><td>{}</td><td class=\"mono\">{payload}</td><td>{}</td></tr>",
                seconds(journal, one.producer_timestamp),
                escape(&one.fragment_number),
                escape(&one.kind),
                one.after_ms
            ),
        );
    }
    html + "</table></div>\n"
}

fn images(journal: &Journal, timelapse: Option<&str>) -> String {
    let mut html = "\n<h2>Images from GetImages</h2>\n".to_owned();
    if let Some(file) = timelapse {
        line(&mut html, format_args!("<video src=\"{}\" controls muted loop></video>", url_of(file)));
    }
    html += "<div class=\"grid\">\n";
    for image in &journal.images {
        let (offset, timestamp) = (seconds(journal, image.timestamp), image.timestamp);
        let shown = image
            .path
            .as_deref()
            .map(|path| format!("<img src=\"{}\" alt=\"image at {offset} s\" loading=\"lazy\">", url_of(path)));
        let error = image.error.as_deref().map(|error| format!("<br>{}", escape(error)));
        line(
            &mut html,
            format_args!(
                "<figure>{}<figcaption><b>{offset} s</b> <span class=\"mono\">{timestamp}</span>{}</figcaption></figure>",
                shown.unwrap_or_default(),
                error.unwrap_or_default()
            ),
        );
    }
    html + "</div>\n"
}

/// Appends a line. Writing to a `String` cannot fail.
fn line(html: &mut String, text: impl Display) {
    let _ = writeln!(html, "{text}");
}

/// Text as HTML, inside elements and quoted attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A relative path as a relative URL in an attribute.
fn url_of(path: &str) -> String {
    escape(&path.replace('%', "%25").replace('#', "%23").replace('?', "%3F"))
}

/// Seconds from the start of the recording, to the millisecond.
fn seconds(journal: &Journal, at_ms: u64) -> String {
    let ms = at_ms.saturating_sub(journal.start_ms);
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Image;

    #[test]
    fn escapes_text_from_outside() {
        let mut journal = Journal { stream: "<script>".to_owned(), start_ms: 500, ..Journal::default() };
        journal.images.push(Image { timestamp: 7540, path: Some("images/7#5\"40.jpg".to_owned()), error: None });
        let html = render(&journal, &["<b>".to_owned()], Some("timelapse.mp4"));
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;") && html.contains("&lt;b&gt;"));
        assert!(html.contains("7.040") && html.contains("images/7%235&quot;40.jpg"), "{html}");
    }
}
