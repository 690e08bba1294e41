"""What pytest gives to the tests of the service."""

import pytest

from tests.browser import CHROMIUM
from tests.helpers import trained_nlp


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained pipeline."""
    path = tmp_path_factory.mktemp("pipeline") / "model"
    trained_nlp().to_disk(path)
    return path


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
