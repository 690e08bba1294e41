"""The app of a pipeline with the routes for Label Studio."""

from contextlib import contextmanager

import spacy
from starlette.testclient import TestClient

from spacy_bilstm_crf.inference.service import Limits, make_app
from spacy_bilstm_crf.integrations.label_studio.backend import extension_of
from spacy_bilstm_crf.integrations.label_studio.settings import BackendSettings
from spacy_bilstm_crf.integrations.live_model.versions import newest_version


def app_with_routes(pipeline, folder, limits=Limits(), change=None, hosts=("*",), **settings):  # noqa: B008
    """The app, as `serve_label_studio` makes it."""
    folder.mkdir(exist_ok=True)
    version = newest_version(folder, pipeline)
    nlp = spacy.load(version.folder)
    if change is not None:
        change(nlp)
    extension = extension_of(folder, version, BackendSettings(**settings))
    return make_app(nlp, limits, allowed_hosts=hosts, extension=extension)


@contextmanager
def client_of(pipeline, folder, *arguments, **settings):
    """A client of the app while it runs."""
    with TestClient(app_with_routes(pipeline, folder, *arguments, **settings)) as client:
        yield client
