//! Tests of the configuration.

use super::*;

const GOOD: &str = r#"
[gateway]
memory = "64M"
listen = "127.0.0.1:0"
drain_timeout = "5s"
spool = "spool"

[aws]
region = "eu-central-1"
access_key_id = "AKID"
secret_access_key = "s3cret"

[camera.door]
url = "rtsp://10.0.0.5:8554/main"
user = "kvs"
password = "s3cret"
stream = "front-door"
clock = "camera"
transport = "udp"
image_every = "5s"
image_prefix = "door"
notify_every = 60
buffer = "8M"
tags = { site = "north" }

[camera.yard]
url = "exec:rpicam-vid -o -"
stream = "arn:aws:kinesisvideo:eu-west-1:123456789012:stream/yard/1500000000000"
create = false
aws = { region = "eu-west-1", profile = "yard" }
"#;

fn refusals(text: &str) -> Vec<String> {
    let refused = Config::parse(text, Path::new("cameras.toml")).expect_err("it is wrong");
    refused.iter().map(ToString::to_string).collect()
}

/// The refusal of the good configuration after one change.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let mut refused = refusals(&GOOD.replacen(from, to, 1));
    assert_eq!(refused.len(), 1, "{refused:?}");
    refused.remove(0)
}

#[test]
fn a_camera_takes_what_it_does_not_set_from_the_defaults() {
    let config = Config::parse(GOOD, Path::new("/etc/kvs/cameras.toml")).unwrap();
    assert_eq!((config.gateway.memory, config.guaranteed()), (64 << 20, 16 << 20));
    let door = &config.cameras["door"];
    assert_eq!((door.buffer, door.aws.region.as_deref()), (8 << 20, Some("eu-central-1")));
    assert_eq!(door.aws.keys.as_ref().unwrap().secret.expose(), "s3cret");
    assert_eq!(door.spool.as_ref().unwrap().dir, Path::new("/etc/kvs/spool/front-door"));
    let yard = &config.cameras["yard"];
    assert_eq!((yard.aws.region.as_deref(), yard.aws.profile.as_deref()), (Some("eu-west-1"), Some("yard")));
    assert_eq!(yard.aws.keys, None, "a profile replaces the keys of all");
    assert_eq!(yard.spool.as_ref().unwrap().dir, Path::new("/etc/kvs/spool/yard"));
}

#[test]
fn a_camera_sends_as_often_as_it_says_or_else_as_the_gateway_says() {
    let text = GOOD.replacen("[aws]", "send_interval = \"100ms\"\n[aws]", 1);
    let text = text.replacen("buffer = ", "send_interval = 0\nbuffer = ", 1);
    let cameras = Config::parse(&text, Path::new("cameras.toml")).unwrap().cameras;
    assert_eq!(cameras["door"].send_interval, Duration::ZERO);
    assert_eq!(cameras["yard"].send_interval, Duration::from_millis(100));
    let refused = refusal("drain_timeout = \"5s\"", "send_interval = \"2s\"");
    assert!(refused.contains("gateway.send_interval: \"2s\" is longer than 1 s"), "{refused}");
}

#[test]
fn a_refusal_names_file_line_field_and_reason() {
    assert_eq!(
        refusal("image_every = \"5s\"", "image_every = \"soon\""),
        "cameras.toml:20: camera.door.image_every: invalid duration \"soon\": use 200ms, 5s, 15m, 2h or 1d"
    );
    for (from, to, line, says) in [
        ("stream = \"front-door\"", "stream = \"front door\"", 17, "camera.door.stream: "),
        ("stream = \"front-door\"\n", "", 13, "camera.door.stream: is missing"),
        ("url = \"rtsp://10.0.0.5:8554/main\"\n", "", 13, "camera.door.url: is missing: rtsp://HOST/PATH"),
        ("rtsp://10.0.0.5", "rtsps://10.0.0.5", 14, "camera.door.url: rtsps is not supported: put stunnel"),
        ("rtsp://10.0.0.5:8554/main", "rtsp://", 14, "camera.door.url: "),
        ("exec:rpicam-vid -o -", "exec: ", 27, "camera.yard.url: exec: needs a command"),
        ("clock = \"camera\"", "clock = \"mine\"", 18, "camera.door.clock: \"mine\" is not one of local, camera"),
        ("clock = \"camera\"", "format = \"ts\"", 18, "camera.door.format: is for exec: and file: only"),
        ("create = false", "user = \"kvs\"", 29, "camera.yard.user: is for rtsp:// only"),
        ("create = false", "create = \"no\"", 29, "camera.yard.create: must be true or false"),
        (
            "create = false",
            "create = false\nretention = \"2h\"",
            30,
            "camera.yard.retention: is for a stream that is created",
        ),
        ("memory = \"64M\"", "memory = \"2M\"", 2, "gateway: memory of 2097152 bytes guarantees each of 2 cameras"),
        ("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"", 4, "gateway.listen: \"0.0.0.0:0\" is not on loopback"),
        ("buffer = \"8M\"", "buffer = \"8k\"", 23, "camera.door.buffer: \"8k\" is less than 1048576 bytes"),
        ("buffer = \"8M\"", "buffer = \"1G\"", 23, "camera.door.buffer: \"1G\" is more than 67108864 bytes"),
        ("{ site = \"north\" }", "{ AWS_KINESISVIDEO_X = \"1\" }", 24, "camera.door.tags: AWS_KINESISVIDEO_X: "),
        ("{ site = \"north\" }", "{ site = 1 }", 24, "camera.door.tags.site: must be text in quotes"),
        ("camera.door]", "camera.\"front door\"]", 13, "camera.front door: a camera's name has 1 to 64 letters"),
        (
            "profile = \"yard\"",
            "profil = \"yard\"",
            30,
            "camera.yard.aws.profil: unknown field; known are profile, region",
        ),
        (
            "image_prefix = \"door\"",
            "imageprefix = \"door\"",
            21,
            "camera.door.imageprefix: unknown field; known are stream, url",
        ),
        ("[gateway]", "[gateways]", 2, "gateways: unknown field; known are gateway, aws, camera"),
        ("[aws]", "[aws", 8, ""),
    ] {
        let refused = refusals(&GOOD.replacen(from, to, 1));
        let wanted = format!("cameras.toml:{line}: {says}");
        assert!(refused.iter().any(|refusal| refusal.starts_with(&wanted)), "{wanted}: {refused:?}");
    }
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_lines() {
    let refused = refusals(&GOOD.replace("clock = \"camera\"", "clock = 1").replace("create = false", "create = 0"));
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0].contains(":18: ") && refused[1].contains(":29: "), "{refused:?}");
}

#[test]
fn two_cameras_cannot_share_a_stream_or_a_spool() {
    let twice = "[camera.a]\nurl = 'exec:a'\nstream = 's'\n[camera.b]\nurl = 'exec:b'\nstream = 's'\n";
    assert_eq!(
        refusals(twice),
        ["cameras.toml:6: camera.b.stream: camera a has it too: each camera needs a stream of its own"]
    );
    let regions = format!("{twice}aws.region = 'eu-west-1'\n");
    assert!(Config::parse(&regions, Path::new("c")).is_ok(), "a stream of the same name in another Region");
    let spooled = format!("gateway.spool = 'x'\n{regions}");
    assert!(refusals(&spooled)[0].contains("camera.b.spool: camera a has this folder too"));
}

#[test]
fn no_refusal_and_no_debug_output_contains_a_secret() {
    let config = Config::parse(GOOD, Path::new("cameras.toml")).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    for (from, to) in [
        ("password = \"s3cret\"", "password = \"s3cret"),
        ("password = \"s3cret\"", "password = s3cret"),
        ("password = \"s3cret\"", "password = \"s3cret\" \"s3cret\""),
        ("password = \"s3cret\"", "password = [\"s3cret\"]"),
        ("password = \"s3cret\"", "password = { s3 = \"s3cret\" }"),
        ("password = \"s3cret\"", "pasword = \"s3cret\""),
        ("password = \"s3cret\"", "password = \"s3cret\"\npassword = \"s3cret\""),
        ("password = \"s3cret\"", "password = \"s3cret\\q\""),
        ("user = \"kvs\"\n", ""),
        ("rtsp://10.0.0.5:8554/main", "rtsp://kvs:s3cret@10.0.0.5:x/main"),
        ("rtsp://10.0.0.5:8554/main", "http://kvs:s3cret@10.0.0.5/main"),
        ("rtsp://10.0.0.5:8554/main", "s3cret"),
        ("secret_access_key = \"s3cret\"", "secret_access_key = \"s3cret\"\nprofile = \"x\""),
        ("access_key_id = \"AKID\"\n", ""),
    ] {
        let refused = refusals(&GOOD.replacen(from, to, 1));
        assert!(!refused.is_empty() && refused.iter().all(|refusal| !refusal.contains("s3cret")), "{to}: {refused:?}");
    }
}

#[test]
fn a_number_as_a_password_is_refused_without_its_value() {
    let refused = refusal("password = \"s3cret\"", "password = 12345");
    assert_eq!(refused, "cameras.toml:16: camera.door.password: must be text in quotes, not an integer");
}

#[test]
fn a_password_may_be_in_a_file_beside_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let (path, secret) = (dir.path().join("cameras.toml"), dir.path().join("door.password"));
    let text = GOOD.replace("password = \"s3cret\"", "password_file = \"door.password\"");
    let refused = Config::parse(&text, &path).unwrap_err();
    assert!(refused[0].to_string().contains(":16: camera.door.password_file: cannot read "), "{refused:?}");
    std::fs::write(&secret, "from a file\n").unwrap();
    let config = Config::parse(&text, &path).unwrap();
    let SourceConfig::Rtsp(rtsp) = &config.cameras["door"].source else { panic!("not RTSP") };
    assert_eq!(rtsp.password.as_ref().unwrap().expose(), "from a file");
    std::fs::write(&secret, "\n").unwrap();
    assert!(Config::parse(&text, &path).unwrap_err()[0].to_string().contains("is empty"));
    let unset = text.replace("door.password\"", "$KVS_NO_SUCH_VARIABLE/door\"");
    assert!(Config::parse(&unset, &path).unwrap_err()[0].to_string().contains("has no variable KVS_NO_SUCH_VARIABLE"));
}

#[test]
fn a_file_without_cameras_is_refused() {
    assert_eq!(refusals(""), ["cameras.toml:1: camera: there is no camera: add a table [camera.NAME]"]);
}
