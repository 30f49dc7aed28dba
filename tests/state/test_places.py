"""What a wrong state location says: one paragraph that names it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from audiences.errors import StateError
from audiences.state import State
from audiences.state.storage import state_error
from stateful import audience, committed, day, result

BIG = audience("big")
NOBODY = 65534


@pytest.fixture
def as_ordinary_user() -> Iterator[Path]:
    """A folder of a user who is not root: root may write everywhere."""
    folder = Path(tempfile.mkdtemp())
    was = os.geteuid()
    try:
        if was == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
    finally:
        os.seteuid(was)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(folder)


def paragraph(error: pytest.ExceptionInfo[StateError], location: Path) -> str:
    text = str(error.value)
    assert str(location) in text
    assert "\n" not in text
    return text


def test_a_file_is_not_a_state(tmp_path: Path) -> None:
    location = tmp_path / "state"
    location.write_text("not a folder")
    for create in (False, True):
        with pytest.raises(StateError, match="the state location is not a folder") as error:
            State.open(str(location), create=create)
        paragraph(error, location)


def test_a_folder_in_a_file_is_not_a_state(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StateError) as error:
        State.open(str(tmp_path / "file" / "state"), create=True)
    paragraph(error, tmp_path / "file")


def test_no_permission_to_make_the_folder(as_ordinary_user: Path) -> None:
    as_ordinary_user.chmod(0o555)
    location = as_ordinary_user / "state"
    with pytest.raises(StateError, match="no permission to write the state") as error:
        State.open(str(location), create=True)
    paragraph(error, location)


def test_no_permission_to_write_in_the_folder_is_found_before_anything_is_computed(
    as_ordinary_user: Path,
) -> None:
    location = as_ordinary_user / "state"
    committed(State.open(str(location), create=True), result(day(1), [(BIG, ["p1"])]))
    location.chmod(0o555)
    with pytest.raises(StateError, match="no permission to write the state") as error:
        State.open(str(location), create=True)
    paragraph(error, location)
    assert State.open(str(location)).snapshot("big").height == 1


def test_no_permission_to_write_a_table(as_ordinary_user: Path) -> None:
    location = as_ordinary_user / "state"
    state = committed(State.open(str(location), create=True), result(day(1), [(BIG, ["p1"])]))
    for path in [location / "history", location / "history" / "_delta_log"]:
        path.chmod(0o555)
    with pytest.raises(StateError, match="permission") as error:
        committed(state, result(day(2), [(BIG, ["p2"])]))
    paragraph(error, location)
    assert State.open(str(location)).snapshot("big").rows() == [("p1", "true")]


def test_no_permission_to_read(as_ordinary_user: Path) -> None:
    location = as_ordinary_user / "state"
    committed(State.open(str(location), create=True), result(day(1), [(BIG, ["p1"])]))
    (location / "manifests" / "0000000001.json").chmod(0o000)
    with pytest.raises(StateError, match="no permission to read the state") as error:
        State.open(str(location))
    paragraph(error, location)


def test_a_parquet_file_that_is_gone(tmp_path: Path) -> None:
    location = tmp_path / "state"
    state = committed(State.open(str(location), create=True), result(day(1), [(BIG, ["p1"])]))
    for path in (location / "snapshots").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(StateError, match="can't read the state") as error:
        state.snapshot("big")
    paragraph(error, location)


@pytest.mark.parametrize("name", ["a b", "ä#b", "x=1", "a+b&c'd", "what?", "*", '"quoted"', "{a,b}"])
def test_a_folder_may_have_unusual_characters(name: str, tmp_path: Path) -> None:
    location = tmp_path / name / "state"
    state = committed(State.open(str(location), create=True), result(day(1), [(BIG, ["p1"])]))
    committed(state, result(day(2), [(BIG, ["p1", "p2"]), (audience("other"), ["p3"])]))
    again = State.open(str(location))
    assert again.snapshot("big").rows() == [("p1", "true"), ("p2", "true")]
    assert again.snapshot("other").rows() == [("p3", "true")]
    assert again.history("big").height == 2


@pytest.mark.parametrize("name", ["100%", "a[1]", "a|b", "a^b", "a\\b"])
def test_a_folder_that_delta_can_not_use_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="can't have the character"):
        State.open(str(tmp_path / name), create=True)
    assert list(tmp_path.iterdir()) == []


def test_an_object_store_s_long_error_becomes_one_line() -> None:
    error = GenericError("Generic S3 error:\n  403 Forbidden\n\nDebug source:\nGeneric {\n …")
    assert str(state_error("s3://bucket/state", "read", error)) == (
        "s3://bucket/state: no permission to read the state: Generic S3 error: 403 Forbidden "
        "(give this user access, or use another location)"
    )
