"""The app of a pipeline with the routes for INCEpTION."""

from contextlib import contextmanager

import spacy
from starlette.testclient import TestClient

from spacy_bilstm_crf.inference.service import Limits, make_app
from spacy_bilstm_crf.integrations.inception.recommender import recommender_extension
from spacy_bilstm_crf.integrations.inception.settings import RecommenderSettings
from spacy_bilstm_crf.integrations.live_model.versions import newest_version


@contextmanager
def client_of(pipeline, folder, limits=Limits(), change=None, hosts=("*",), **settings):  # noqa: B008
    """A client of the app that `serve_inception` makes, while it runs."""
    folder.mkdir(exist_ok=True)
    version = newest_version(folder, pipeline)
    nlp = spacy.load(version.folder)
    if change is not None:
        change(nlp)
    extension = recommender_extension(folder, version, RecommenderSettings(**settings))
    app = make_app(nlp, limits, allowed_hosts=hosts, extension=extension)
    with TestClient(app) as client:
        yield client
