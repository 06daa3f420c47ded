from pathlib import Path

from conftest import judge


def test_the_first_example_of_the_readme_runs(capsys):
    judge("av")
    text = (Path(__file__).parent.parent / "README.md").read_text()
    (example,) = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    exec(compile(example, "README.md", "exec"), {})
    report, fragment = capsys.readouterr().out.strip().splitlines()
    assert "complete=True, submitted_frames=75, recovered_frames=0, persisted_frames=75, lost_frames=0" in report
    assert "25 frames" in fragment
