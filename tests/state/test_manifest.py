from __future__ import annotations

import json

import pytest

from audiences.errors import StateError
from audiences.state import Manifest
from audiences.state.manifest import FILE_NAME, decode, encode, path_of
from stateful import COMPUTED_AT, day

MANIFEST = Manifest(
    run=12,
    run_id="x",
    as_of=day(5),
    revision=1,
    computed_at=COMPUTED_AT,
    inputs="i",
    tables={"snapshots": 4},
    statistics={"rows_read": 3, "seconds": 0.5},
)


def test_a_manifest_survives_writing_and_reading() -> None:
    assert decode(encode(MANIFEST), where="here") == MANIFEST


def test_the_layout_is_what_other_programs_may_rely_on() -> None:
    raw = json.loads(encode(MANIFEST))
    assert raw["schema_version"] == 2
    assert raw["as_of"] == "2024-01-05T00:00:00Z"
    assert raw["tables"] == {"snapshots": 4}


def test_names_sort_like_numbers() -> None:
    assert path_of(12) == "manifests/0000000012.json"
    assert FILE_NAME.fullmatch("0000000012.json")
    assert not FILE_NAME.fullmatch("0000000012.json#1")


def test_a_newer_version_is_refused_by_name() -> None:
    newer = json.dumps({"schema_version": 3, "anything": "else"}).encode()
    with pytest.raises(StateError, match=r"newer version of audiences \(state schema 3.*up to 2.*upgrade"):
        decode(newer, where="state/manifests/0000000001.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"schema_version": "1"}', b"\xff"])
def test_what_is_not_a_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(StateError, match=r"state/m\.json: this is not a manifest"):
        decode(content, where="state/m.json")


def test_a_damaged_manifest_names_the_place() -> None:
    raw = json.loads(encode(MANIFEST)) | {"as_of": "yesterday"}
    with pytest.raises(StateError, match=r"damaged: as_of"):
        decode(json.dumps(raw).encode(), where="m.json")


def test_keys_that_a_later_version_adds_are_not_minded() -> None:
    raw = json.loads(encode(MANIFEST)) | {"later": 1}
    assert decode(json.dumps(raw).encode(), where="m.json") == MANIFEST
