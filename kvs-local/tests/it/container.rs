//! The image and the compose file: their options and variables are those of the program, and its health command works with them.
//! A container engine is not needed; the program runs as the image would run it, on a free port of loopback.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Returns the JSON list behind an instruction of the Dockerfile.
fn instruction(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file("Dockerfile")).unwrap();
    let line = text.lines().rev().find(|line| line.starts_with(name)).unwrap();
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

/// The program with the arguments and variables of a container; killed when dropped.
struct Container {
    child: Child,
    endpoint: String,
    variables: Vec<(String, String)>,
}

impl Container {
    fn start(arguments: &[String], variables: Vec<(String, String)>, data: &Path) -> Self {
        let mut command = command(&variables);
        // What differs is where the container has its own network and folders.
        for argument in arguments {
            command.arg(match argument.as_str() {
                "0.0.0.0:4567" => "127.0.0.1:0",
                "/data" => data.to_str().unwrap(),
                other => other,
            });
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the program starts").unwrap();
        let endpoint = line.rsplit("//").next().unwrap().to_owned();
        assert_eq!(lines.next().unwrap().unwrap(), "Ready.");
        Self { child, endpoint, variables }
    }

    /// Runs the health command of the image.
    fn is_healthy(&self) -> bool {
        let check = instruction("HEALTHCHECK");
        assert_eq!(check[0], "/kvs-local");
        let mut command = command(&self.variables);
        command.args(&check[1..]).args(["--address", &self.endpoint]);
        command.status().unwrap().success()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(variables: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs-local"));
    command.env_clear().envs(variables.iter().cloned());
    command
}

#[test]
fn the_image_starts_with_keys_of_its_user_and_is_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let entry = instruction("ENTRYPOINT");
    assert_eq!(entry[0], "/kvs-local");
    let variables = vec![("KVS_LOCAL_CREDENTIALS".to_owned(), "id:key".to_owned())];
    let container = Container::start(&entry[1..], variables, dir.path());
    assert!(container.is_healthy());
    drop(container);
    // With the public key only, it says what is missing.
    let refused = command(&[]).args(&entry[1..entry.len() - 1]).arg(dir.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("set credentials"));
}

#[test]
fn the_compose_file_starts_a_healthy_service() {
    let Some(python) = test_judges::python("the_compose_file_starts_a_healthy_service", &["yaml"]) else { return };
    let convert = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let compose = file("compose.yaml");
    let json = Command::new(python).args(["-c", convert]).arg(&compose).output().unwrap();
    let compose: Value = serde_json::from_slice(&json.stdout).unwrap();
    let service = &compose["services"]["kvs-local"];
    let build = &service["build"];
    let root = file("").join(build["context"].as_str().unwrap());
    assert!(root.join("Cargo.lock").is_file() && root.join(build["dockerfile"].as_str().unwrap()).is_file());
    assert!(compose["services"][service["depends_on"].as_object().unwrap().keys().next().unwrap()].is_object());

    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let variables = service["environment"].as_object().unwrap();
    let variables = variables.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let mut arguments = instruction("ENTRYPOINT");
    arguments.extend(service["command"].as_array().unwrap().iter().map(text));
    let dir = tempfile::tempdir().unwrap();
    let container = Container::start(&arguments[1..], variables, dir.path());
    assert!(container.is_healthy());
}
