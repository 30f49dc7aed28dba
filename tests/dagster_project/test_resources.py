from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.resources import project_root

REPOSITORY = Path(__file__).parents[2]


def test_the_variable_comes_first(project_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIENCES_PROJECT", str(tmp_path))
    monkeypatch.chdir(project_folder)

    assert project_root() == tmp_path


def test_then_the_current_folder_if_it_is_a_project(project_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDIENCES_PROJECT", raising=False)
    monkeypatch.chdir(project_folder)

    assert project_root() == project_folder


def test_then_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDIENCES_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)

    assert project_root() == REPOSITORY
