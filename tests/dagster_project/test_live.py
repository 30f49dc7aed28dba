"""The real thing: `dagster dev` with a home of its own, driven over HTTP as the web interface does it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytestmark = pytest.mark.slow

Found = TypeVar("Found")

ROOT = Path(__file__).parents[2]
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "audiences"}
SECONDS_TO_START = 90
SECONDS_TO_RUN = 90

LAUNCH = """
mutation Launch($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = """
query Status($run: ID!) {
  runOrError(runId: $run) { ... on Run { status } }
}
"""
MATERIALISATION = """
query Materialisation($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    ... on Asset {
      assetMaterializations(limit: 1) {
        runId
        metadataEntries {
          label
          ... on IntMetadataEntry { intValue }
          ... on TextMetadataEntry { text }
          ... on MarkdownMetadataEntry { mdStr }
        }
      }
    }
  }
}
"""
NODES = """
query Nodes($location: RepositorySelector!) {
  assetNodes { assetKey { path } groupName dependencyKeys { path } }
  schedulesOrError(repositorySelector: $location) { ... on Schedules { results { name cronSchedule } } }
}
"""


@dataclass(frozen=True)
class Server:
    """A running web interface on the loopback."""

    port: int
    home: Path
    log: Path

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        return self._request("GET", path)

    def ask(self, query: str, variables: dict[str, Any]) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        status, _, answer = self._request("POST", "/graphql", body)
        assert status == 200, answer
        data = json.loads(answer)
        assert "errors" not in data, data
        return data["data"]

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, response.read()
        finally:
            connection.close()

    def launch(self, keys: list[str], config: dict[str, Any]) -> str:
        """Materialises assets as the button of the web interface does; returns the run's id."""
        parameters = {
            "mode": "default",
            "selector": {
                **LOCATION,
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": ["audiences", key]} for key in keys],
            },
            "runConfigData": json.dumps({"ops": {"audiences": {"config": config}}}),
        }
        answer = self.ask(LAUNCH, {"parameters": parameters})["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def wait(self, run: str) -> str:
        """The final status of a run."""
        return wait_for(lambda: self._final_status(run), SECONDS_TO_RUN, "the end of the run")

    def _final_status(self, run: str) -> str | None:
        status = str(self.ask(STATUS, {"run": run})["runOrError"]["status"])
        return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None

    def metadata(self, key: str, run: str) -> dict[str, Any]:
        """The metadata of an asset's newest materialisation, which must be of this run."""
        answer = self.ask(MATERIALISATION, {"key": {"path": ["audiences", key]}})
        [newest] = answer["assetOrError"]["assetMaterializations"]
        assert newest["runId"] == run
        return {
            entry["label"]: next((entry[name] for name in ("intValue", "text", "mdStr") if name in entry), None)
            for entry in newest["metadataEntries"]
        }


def wait_for(probe: Callable[[], Found | None], seconds: float, what: str) -> Found:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found is not None:
            return found
        time.sleep(0.5)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def server(project_folder: Path, tmp_path: Path) -> Iterator[Server]:
    """`dagster dev` in the folder of the test project, with the committed settings; stopped at the end."""
    for name in ("pyproject.toml", ".env", "dagster_project/home/dagster.yaml"):
        (project_folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project_folder / name)
    started = Server(free_port(), home=project_folder / "dagster_project" / "home", log=tmp_path / "dagster.log")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_")}
    # Where the tests run in the background of a shell, SIGINT is ignored, which a new process would inherit.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    with started.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(started.port)],
            cwd=project_folder,
            env={**environment, "PYTHONPATH": str(ROOT), "PWD": str(project_folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    signal.signal(signal.SIGINT, previous)
    try:
        wait_for(lambda: is_ready(started, process), SECONDS_TO_START, "the web interface")
        yield started
    finally:
        stop(process)


def is_ready(server: Server, process: subprocess.Popen[bytes]) -> bool | None:
    assert process.poll() is None, server.log.read_text()
    try:
        return server.get("/server_info")[0] == 200 or None
    except (OSError, HTTPException):
        return None


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the whole process group: politely, then not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
    wait_for(lambda: not group_exists(process.pid) or None, 20, "the end of all processes")


def group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_materialise_and_download_through_the_web_interface(
    server: Server, project_folder: Path, tmp_path: Path
) -> None:
    assets_are_drawn(server)
    nothing_is_sent_outside(server)

    run = server.launch(["big_buyers", "orders"], {"as_of": "2024-03-01"})
    assert server.wait(run) == "SUCCESS", server.log.read_text()

    orders = server.metadata("orders", run)
    big_buyers = server.metadata("big_buyers", run)
    assert orders["dagster/row_count"] == orders["set"] == 3
    assert big_buyers["dagster/row_count"] == big_buyers["entered"] == 1
    assert big_buyers["preview"] == "- `user_id:(hidden)`"
    assert big_buyers["as_of"] == "2024-03-01 00:00 UTC (given to the run)"
    for layout in ("unformatted", "columns", "rows", "ads"):
        downloaded_is_exported(server, project_folder, big_buyers["download"], "big_buyers", layout, tmp_path)
    nothing_is_sent_outside(server)
    assert (server.home / "history" / "runs.db").exists(), "the run history is not in the project"


def assets_are_drawn(server: Server) -> None:
    answer = server.ask(NODES, {"location": LOCATION})
    nodes = {node["assetKey"]["path"][-1]: node for node in answer["assetNodes"]}
    assert {key: node["groupName"] for key, node in nodes.items()} == dict.fromkeys(
        ["buyers", "big_buyers", "orders", "revenue"], "shop"
    )
    assert {one["path"][-1] for one in nodes["big_buyers"]["dependencyKeys"]} == {"buyers", "revenue"}
    schedules = {one["name"]: one for one in answer["schedulesOrError"]["results"]}
    assert {name: one["cronSchedule"] for name, one in schedules.items()} == {
        "every_8_hours": "0 */8 * * *",
        "daily_at_06_30": "30 6 * * *",
    }


def nothing_is_sent_outside(server: Server) -> None:
    """Telemetry is off in the page that the browser gets, and none was put aside to be sent later."""
    _, _, page = server.get("/")
    assert b'"telemetryEnabled": false' in page
    assert not list(server.home.rglob("*telemetry*"))
    assert not [path for path in server.home.rglob(".logs_queue/*") if path.stat().st_size]


def downloaded_is_exported(
    server: Server, project_folder: Path, links: str, key: str, layout: str, folder: Path
) -> None:
    """The file behind a link of the asset's page is, byte for byte, what `audiences export` writes."""
    address = links.partition(f"[{layout}](")[2].partition(")")[0]
    status, headers, downloaded = server.get(address)
    assert status == 200, address
    name = f'filename="exports__{key}__{layout}_2024-03-01T000000Z_run_1.csv"'
    assert "attachment" in headers["content-disposition"]
    assert name in headers["content-disposition"]
    target = folder / f"{layout}.csv"
    command = [sys.executable, "-m", "audiences", "export", key]
    subprocess.run(
        [*command, "--format", layout, "--output", str(target), "--project", str(project_folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    assert downloaded == target.read_bytes()
    assert downloaded.count(b"\n") >= 1
