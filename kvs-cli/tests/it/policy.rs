//! `kvs policy`: judged by parliament and moto, and by what the commands call.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use kvs_local::{Fault, FaultKind, LocalKvs};

const STREAM: &str = "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/front-door/1705489836421";
const PATTERN: &str = "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/${credentials-iot:ThingName}/*";
const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:cameras";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/0d1f4d5e-0c1b-4f0a-9a36-5b1d2e3f4a5b";
const ALIAS: &str = "arn:aws:iot:eu-west-1:111122223333:rolealias/camera";

fn policy(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kvs")).arg("policy").args(arguments).output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = policy(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every role, without and with its options.
fn policies() -> Vec<String> {
    let with = ["--image-bucket", "my-camera-images", "--kms-key", KEY];
    let mut policies = Vec::new();
    for (role, arn) in [("producer", STREAM), ("iot", PATTERN)] {
        policies.push(text(&[role, arn]));
        policies.push(text(&[&[role, arn, "--create", "--topic", TOPIC], &with[..]].concat()));
    }
    for role in ["viewer", "image-reader", "admin"] {
        policies.push(text(&[role, STREAM]));
        policies.push(text(&[role, STREAM, "--kms-key", KEY]));
    }
    policies.push(text(&[&["image-reader", STREAM], &with[..]].concat()));
    policies.push(text(&["iot-alias", ALIAS]));
    policies
}

/// Reads policies as a JSON list; prints what parliament finds in each, and what moto's grammar says of the trust policy.
const JUDGE: &str = r#"
import json, sys, parliament
from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator
given = json.load(sys.stdin)
# Newer than its list, and an action of IoT policies, which it does not have.
UNKNOWN = ["kinesisvideo:DescribeStreamStorageConfiguration", "kinesisvideo:UpdateStreamStorageConfiguration",
           "iot:AssumeRoleWithCertificate"]
for text in given["policies"]:
    IAMPolicyDocumentValidator(text).validate()
    # It takes the colon of the variable for one of the ARN.
    for finding in parliament.analyze_policy_string(text.replace("${credentials-iot:ThingName}", "front-door")).findings:
        if finding.issue == "UNKNOWN_ACTION" and finding.detail.split()[-1] in UNKNOWN:
            continue
        print(finding.issue, finding.detail, finding.location)
IAMTrustPolicyDocumentValidator(given["trust"]).validate()
"#;

fn judge(python: &str, policies: &[String], trust: &str) -> Output {
    let mut child = Command::new(python)
        .args(["-W", "ignore", "-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let given = serde_json::json!({"policies": policies, "trust": trust});
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn policies_are_valid_to_parliament_and_moto() {
    let test = "policies_are_valid_to_parliament_and_moto";
    let Some(python) = test_judges::python(test, &["parliament", "moto"]) else { return };
    let judged = judge(&python, &policies(), &text(&["iot-trust"]));
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    assert_eq!(String::from_utf8_lossy(&judged.stdout), "");
    // The judge sees an action that does not exist, and one that does not fit its resource.
    for (right, wrong) in [("PutMedia", "PutMovie"), (":stream/", ":channel/"), ("Allow", "Permit")] {
        let judged = judge(&python, &[text(&["producer", STREAM]).replace(right, wrong)], &text(&["iot-trust"]));
        assert!(!judged.stdout.is_empty() || !judged.status.success(), "{wrong} passes");
    }
}

#[test]
fn the_policy_in_the_guide_is_the_one_that_is_printed() {
    let shown = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies/producer.json")).unwrap();
    assert_eq!(text(&["producer", STREAM]), shown);
}

#[test]
fn mistakes_are_named() {
    for (arguments, says) in [
        (&["producer"][..], "an ARN is missing"),
        (&["producer", "front-door"], "is not an ARN"),
        (&["producer", TOPIC], "is not of the form arn:aws:kinesisvideo"),
        (&["viewer", STREAM, "--topic", TOPIC], "--topic adds nothing"),
        (&["producer", STREAM, "--topic", KEY], "is not of the form arn:aws:sns"),
        (&["iot-trust", STREAM], "takes no ARN"),
        (&["iot-alias", STREAM], "is not of the form arn:aws:iot"),
    ] {
        let output = policy(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(says), "{arguments:?}: {error}");
    }
}

/// The operations that a role's policy allows, as kvs-local names them: the path without its slash.
fn allowed(role: &str, options: &[&str]) -> Vec<String> {
    let policy: serde_json::Value = serde_json::from_str(&text(&[&[role, STREAM], options].concat())).unwrap();
    let actions = policy["Statement"].as_array().unwrap().iter().flat_map(|part| part["Action"].as_array().unwrap());
    let names = actions.filter_map(|action| action.as_str().unwrap().strip_prefix("kinesisvideo:"));
    names.map(|name| name[..1].to_lowercase() + &name[1..]).collect()
}

/// Whether the commands of a role work while the service denies some operations.
async fn works(local: &LocalKvs, commands: &[&[&str]], denied: &[&str]) -> Vec<bool> {
    let deny =
        |operation: &&str| Fault::new(FaultKind::Refuse { exception: "AccessDeniedException".into() }).on(*operation);
    denied.iter().map(deny).for_each(|fault| local.faults().add(fault).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut worked = Vec::new();
    for command in commands {
        let mut kvs = Command::new(env!("CARGO_BIN_EXE_kvs"));
        kvs.args(*command).current_dir(dir.path()).env_clear().env("AWS_ENDPOINT_URL", local.endpoint_url());
        let output = tokio::task::spawn_blocking(move || kvs.output().unwrap()).await.unwrap();
        worked.push(output.status.success());
    }
    local.faults().clear();
    worked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_has_all_actions_that_its_commands_need_and_no_others() {
    const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");
    const ALL: [&str; 12] = [
        "describeStream",
        "getDataEndpoint",
        "putMedia",
        "createStream",
        "listFragments",
        "getMedia",
        "getMediaForFragmentList",
        "getClip",
        "getHLSStreamingSessionURL",
        "getDASHStreamingSessionURL",
        "getImages",
        "listStreams",
    ];
    let local = LocalKvs::builder().start().await.unwrap();
    let send: &[&str] = &["put", "front-door", RECORDING, "--offline", "--give-up-after", "1s"];
    assert_eq!(works(&local, &[send], &[]).await, [true], "the stream exists from here on");
    let image: &[&str] = &["images", "front-door", "--from", "-30s", "--every", "5s", "--out", "images"];
    let view: [&[&str]; 3] = [
        &["get", "front-door", "--out", "all.mkv", "--length", "2s"],
        &["get", "front-door", "--clip", "clip.mp4", "--from", "-30s"],
        &["play", "front-door", "--from", "-30s"],
    ];
    for (role, commands) in [("producer", &[send][..]), ("image-reader", &[image]), ("viewer", &view)] {
        let allowed = allowed(role, &[]);
        let others: Vec<_> = ALL.into_iter().filter(|name| !allowed.iter().any(|allowed| allowed == name)).collect();
        assert!(
            works(&local, commands, &others).await.iter().all(|worked| *worked),
            "{role} needs more than its policy allows"
        );
        for action in &allowed {
            // A library of one's own reads fragments by their list; the tool reads them in a row.
            if role == "viewer" && ["listFragments", "getMediaForFragmentList"].contains(&action.as_str()) {
                continue;
            }
            // `kvs play` prints one kind of URL if the other cannot be had.
            let denied: &[&str] = match action.as_str() {
                "getHLSStreamingSessionURL" | "getDASHStreamingSessionURL" => {
                    &["getHLSStreamingSessionURL", "getDASHStreamingSessionURL"]
                }
                action => &[action],
            };
            assert!(works(&local, commands, denied).await.contains(&false), "{role} does not need {action}");
        }
    }
    local.shutdown().await;
}
