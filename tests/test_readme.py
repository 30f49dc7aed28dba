"""Every command of the README runs, in the order in which it is written, and prints what the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = [(found[1], found[2]) for found in re.finditer(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)]
NOT_HERE = {
    "make test": "it is what runs this test",
    "make dagster": "it runs until it is stopped; tests/dagster_project boots it",
}


def shell(command: str, folder: Path) -> str:
    """Runs a line of the README and returns what it prints."""
    done = subprocess.run(
        ["bash", "-ec", command],  # noqa: S607 - the user's shell, as the README says
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def without_seconds(line: str) -> str:
    return re.sub(r"\s+\d+\.\d\d$", "", line.rstrip())


def section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample project, away from the checkout, so that nothing is left behind in it."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "data", folder / "data")
    shutil.copytree(ROOT / "definitions", folder / "definitions")
    shutil.copy2(ROOT / "Makefile", folder / "Makefile")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


def test_sections_stand_in_the_right_order() -> None:
    assert re.findall(r"^## (.*)", README, re.MULTILINE) == [
        "Two commands",
        "What you see",
        "Your first audience in five minutes",
        "How fast",
        "What is where",
    ]


@pytest.mark.slow
def test_the_commands_and_what_they_print(checkout: Path) -> None:
    # -o: what is installed is what is tested, so make has nothing to install
    printed = shell("make --silent -o .venv/.installed run", checkout)
    lines = {without_seconds(line) for line in printed.splitlines()}
    for line in section("What you see").split("```\n")[1].splitlines():
        assert without_seconds(line) in lines
    again = shell("make --silent -o .venv/.installed run", checkout)
    assert "Nothing new since run 1" in again and "nothing to send" in again
    for command in commands_of("What you see"):
        shell(command, checkout)
    assert list(checkout.glob("big_spenders*.csv"))


@pytest.mark.slow
def test_the_first_audience(tmp_path: Path) -> None:
    shell("audiences init my-space && cd my-space && audiences run", tmp_path)
    project = tmp_path / "my-space"
    text = section("Your first audience in five minutes")
    first = text.split("<!-- file: definitions/first.yml -->\n```yaml\n")[1].split("```")[0]
    (project / "definitions/first.yml").write_text(first)
    printed = [shell(command, project) for command in commands_of("Your first audience in five minutes")[3:]]
    exported = [line for line in printed[-1].splitlines() if line][1:]
    assert exported, "the README's audience has no members in the new project"
    assert f"{len(exported)} members" in printed[2]

    query = text.split("```yaml\n")[2].split("```")[0].split("definition: ")[1].strip()
    entry = yaml.safe_load(first)
    entry["audiences"][0] = {"key": "window_shoppers", "definition": query}
    (project / "definitions/first.yml").write_text(yaml.safe_dump(entry))
    assert shell(commands_of("Your first audience in five minutes")[-1], project) == printed[-1]
    assert "Nothing new" in shell("audiences run window_shoppers", project), "both forms are the same definition"


def test_the_python_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    pl.DataFrame(
        {"user_id": ["ann"], "type": ["track"], "event": ["Order Completed"], "timestamp": ["2024-05-01"]}
    ).write_parquet("data/events.parquet")
    example = next(text for language, text in BLOCKS if language == "python")
    expression = example.replace("import audiences\n", "").strip()
    import audiences

    found = eval(compile(expression, "README.md", "eval"), {"audiences": audiences})  # noqa: S307 - our own README
    assert found.rows() == [("user_id:ann", 1)]


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith(("http:", "https:"))]
    assert len(links) >= 4
    assert [link for link in links if not (ROOT / link).exists()] == []


def commands_of(title: str) -> list[str]:
    """The shell commands of a section that are run here, without their comments."""
    found = re.findall(r"^```sh\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip() for text in found for line in text.splitlines()]
    return [line for line in lines if line and line not in NOT_HERE]
