"""The programs of the README, of the guide and of the folder `examples` run as their text says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import judge, read_back

BINDING = Path(__file__).parent.parent
CLOCK = BINDING.parent.parent / "examples" / "media" / "clock.mp4"


@pytest.fixture
def environment(local_kvs):
    """The variables with which boto3 and this package find the service."""
    key, secret = local_kvs.credentials
    own = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": local_kvs.region_name,
        "AWS_DEFAULT_REGION": local_kvs.region_name,
        "AWS_ENDPOINT_URL_KINESIS_VIDEO": local_kvs.endpoint_url,
    }
    return {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **own}


def run(environment, *command):
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_the_first_example_of_the_readme_runs(capsys):
    judge("av")
    text = (BINDING / "README.md").read_text()
    (example,) = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    exec(compile(example, "README.md", "exec"), {})
    report, fragment = capsys.readouterr().out.strip().splitlines()
    assert "complete=True, submitted_frames=75, recovered_frames=0, persisted_frames=75, lost_frames=0" in report
    assert "25 frames" in fragment


def test_a_recording_is_sent_and_its_images_are_written(local_kvs, environment, tmp_path):
    av = judge("av")
    with av.open(str(CLOCK)) as recording:
        wanted = sum(1 for packet in recording.demux() if packet.size)
        seconds = recording.duration / 1e6
    (persisted, *missing) = run(environment, BINDING / "examples" / "send.py", CLOCK, "archive", tmp_path)
    assert persisted == f"{wanted} of {wanted} frames are persisted"
    images = list(tmp_path.glob("*.jpg"))
    assert len(images) == min(10, round(seconds)) and len(images) + len(missing) == 10
    assert all(image.read_bytes()[:3] == b"\xff\xd8\xff" for image in images)
    assert sum(len(fragment.frames) for fragment in read_back(local_kvs, "archive")) == wanted


def test_a_camera_is_sent_with_an_event(local_kvs, environment):
    judge("av")
    assert run(environment, BINDING / "examples" / "camera.py", "yard") == ["125 of 125 frames are persisted"]
    tags = [tag for fragment in read_back(local_kvs, "yard") for tag in fragment.tags]
    names = [name for name, _ in tags]
    assert names.count("AWS_KINESISVIDEO_NOTIFICATION") == 1 and ("camera", "yard") in tags
    # One by itself at the start, and one for the motion.
    assert names.count("AWS_KINESISVIDEO_IMAGE_GENERATION") == 2


def test_the_example_of_a_test_passes(environment):
    example = BINDING / "examples" / "test_alarm.py"
    lines = run(environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", example)
    assert lines[-1].startswith("1 passed")


def test_mypy_accepts_the_example_of_the_readme(tmp_path):
    """A user's program with strict types: the package's types are complete."""
    mypy = judge("mypy.api")
    text = (BINDING / "README.md").read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "example.py").write_text(text)
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n[mypy-av.*,boto3.*,botocore.*]\nignore_missing_imports = True\n")
    out, errors, status = mypy.run(["--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), str(tmp_path / "example.py")])
    assert status == 0, out + errors
