"""A real Label Studio on this machine's own address, with a database of its own."""

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.inference.service.service import wait_for

VERSION = "1.23.2"  # that the tests were written with
PATH, INSTALL = "LABEL_STUDIO", "LABEL_STUDIO_INSTALL"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
SECONDS = 300  # to make its database, on a machine that does much else
ENVIRONMENT = {
    # Or it refuses to call this machine's own address, as how-to/label-studio.md says
    "ML_BLOCK_LOCAL_IP": "false",
    "SSRF_PROTECTION_ENABLED": "false",
    # It answers a webhook late where the machine is busy, and does not ask again
    "WEBHOOK_TIMEOUT": "30",
    "ML_CONNECTION_TIMEOUT": "10",
    "ML_TIMEOUT_HEALTH": "30",
    "ML_TIMEOUT_SETUP": "30",
    # It calls nobody else
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
}


def executable(folder):
    """The command `label-studio`; where there is none, it is installed if that is asked for."""
    found = os.environ.get(PATH) or shutil.which("label-studio")
    if found:
        return found
    if os.environ.get(INSTALL) != "1":
        pytest.skip(f"needs label-studio on the path or in ${PATH}, or ${INSTALL}=1 to install it")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", f"label-studio=={VERSION}"]
    subprocess.run(pip, check=True)
    return str(folder / "bin" / "label-studio")


@contextmanager
def label_studio(command, folder):
    """A client of a Label Studio that has nothing in it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [command, "start", "--no-browser", "--internal-host", "127.0.0.1"]
    command += ["--port", str(port), "--data-dir", str(folder), "--enable-legacy-api-token"]
    command += ["--username", "a@example.com", "--password", "label-studio", "--user-token", TOKEN]
    # What this test run sets is not for another environment
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**inherited, **ENVIRONMENT, "LABEL_STUDIO_BASE_DATA_DIR": str(folder)}
    log = Path(folder) / "log.txt"
    with log.open("w") as printed:
        served = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=printed, stderr=printed
        )
    try:
        url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Token {TOKEN}"}
        with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
            wait_for(lambda: served.poll() is not None or is_up(client), SECONDS)
            assert served.poll() is None, log.read_text("utf8")
            yield client
    finally:
        served.terminate()
        served.wait()


def is_up(client):
    try:
        return client.get("/api/current-user/whoami").status_code == 200
    except httpx.TransportError:
        return False


class Project:
    """A project of a Label Studio."""

    def __init__(self, client, config, **settings):
        self.client = client
        given = {"title": "test", "label_config": config, **settings}
        self.id = self._post("/api/projects/", given)["id"]

    def _post(self, path, sent, status=201):
        response = self.client.post(path, json=sent)
        assert response.status_code == status, response.text[:2000]
        return response.json()

    def add(self, texts):
        """Import texts; returns the ids of their tasks."""
        self._post(f"/api/projects/{self.id}/import", [{"text": text} for text in texts])
        options = {"project": self.id, "page_size": 1000}
        tasks = self.client.get("/api/tasks", params=options).json()["tasks"]
        return {task["data"]["text"]: task["id"] for task in tasks}

    def connect(self, url, status=201):
        """Connect a model."""
        sent = {"project": self.id, "url": str(url), "title": "ours", "is_interactive": True}
        return self._post("/api/ml", sent, status)

    def suggestions(self, model, task, result):
        """What comes up once regions were drawn, as the editor asks for it."""
        sent = {"task": task, "context": {"result": result}}
        return self._post(f"/api/ml/{model}/interactive-annotating", sent, 200)["data"]["result"]

    def predict(self):
        """Have all tasks predicted, as the action of the data manager does."""
        path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={self.id}"
        self._post(path, {"selectedItems": {"all": True, "excluded": []}, "ordering": []}, 200)

    def predictions(self, version):
        """The predictions of a version, by their task."""
        found = self.client.get("/api/predictions", params={"project": self.id}).json()
        return {one["task"]: one for one in found if one["model_version"] == version}

    def choose(self, version):
        """Choose the predictions that are shown and ordered by, as in the project's settings."""
        sent = {"model_version": version}
        assert self.client.patch(f"/api/projects/{self.id}/", json=sent).status_code == 200

    def by_score(self):
        """The tasks in the order of their scores, as in the list of tasks."""
        data = {"ordering": ["tasks:predictions_score"], "filters": {"conjunction": "and"}}
        data["filters"]["items"] = []
        path = f"/api/dm/views/?project={self.id}"
        view = self._post(path, {"project": self.id, "data": data})["id"]
        options = {"view": view, "project": self.id, "page_size": 1000}
        tasks = self.client.get("/api/tasks", params=options).json()["tasks"]
        return [task["id"] for task in tasks]

    def annotate(self, task, result):
        """Submit an annotation."""
        return self._post(f"/api/tasks/{task}/annotations/", {"result": result})["id"]
