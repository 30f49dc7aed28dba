"""The wheel, installed outside the checkout, makes a project and runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    run_program(sys.executable, "-m", "pip", "wheel", *options, str(ROOT), cwd=folder)
    (built,) = folder.glob("audiences-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel in it; what it needs is borrowed from this one."""
    environment = tmp_path_factory.mktemp("environment")
    run_program(sys.executable, "-m", "venv", "--without-pip", str(environment), cwd=environment)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    python = str(programs / "python")
    options = ["--quiet", "--no-deps", "--no-index"]
    run_program(sys.executable, "-m", "pip", "--python", python, "install", *options, str(wheel), cwd=environment)
    # Path files inside a borrowed folder are not read: this checkout, installed there, stays out of sight.
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run_program(python, "-c", query, cwd=environment).strip())
    borrowed = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return programs


def run_program(*command: str, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["COLUMNS"] = "200"  # the width of tables
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_wheel_has_the_package_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "audiences/language/grammar.lark" in names
    assert "audiences/starter/template/definitions/space.yml" in names
    assert "audiences/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"audiences", "dagster_project"}
    assert not [name for name in names if "/home/" in name or name.endswith((".parquet", ".pyc"))]


def test_a_new_project_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import audiences; print(audiences.__file__)"
    assert str(installed.parent) in run_program(str(installed / "python"), "-c", code, cwd=tmp_path)
    audiences = str(installed / "audiences")
    assert "space.yml" in run_program(audiences, "init", "mine", cwd=tmp_path)
    output = run_program(audiences, "run", cwd=tmp_path / "mine")
    for key in ("revenue_90_days", "favourite_category", "good_customers", "undecided"):
        assert key in output
    assert "2026-06-01" in output
    assert (tmp_path / "mine" / ".audiences").is_dir()
    listing = ("-m", "dagster", "asset", "list", "--module-name", "dagster_project.definitions")
    assert "audiences/good_customers" in run_program(str(installed / "python"), *listing, cwd=tmp_path / "mine")
