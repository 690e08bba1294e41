"""INCEpTION's protocol of external recommenders, version 1, on the HTTP service.

INCEpTION asks `/predict` for suggestions in a document. It sends `/train` all documents of a user
whenever an annotation was changed, which starts a training.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from spacy.language import Language
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from ...common.errors import UserError
from ...inference.annotated_text import AnnotatedText, FailedText
from ...inference.annotator import RequestSettings
from ...inference.service import Extension, Refused, Request, Service
from ..live_model.routes import add_routes
from ..live_model.trainer import Trainer, TrainingData, check_can_learn, named
from ..live_model.versions import PipelineVersion
from . import training
from .cas import annotated_document, open_document, types_with_layer, with_suggestions
from .documents import DocumentStore
from .messages import (
    MOST_QUOTED,
    LayerRequest,
    layer_request,
    sent_document,
    sent_documents,
    type_system,
)
from .sentences import annotated_sentences, as_json
from .settings import INCEPTION, RecommenderSettings

SMALLER_DOCUMENTS = (
    "Start the service with a higher --max-characters, on which this limit depends, or let the "
    "recommender learn from finished documents only."
)

_log = logging.getLogger("uvicorn.error")


class Recommender:
    """Answers INCEpTION, and trains.

    Args:
        service: The service that finds the entities.
        folder: Where annotations and versions are kept.
        version: The version that the service has loaded.
        settings: How to learn.
    """

    def __init__(
        self,
        service: Service,
        folder: Path,
        version: PipelineVersion,
        settings: RecommenderSettings,
    ) -> None:
        self._service, self._settings = service, settings
        self._store = DocumentStore(folder)
        self._trainer = Trainer(
            INCEPTION,
            service,
            folder,
            version,
            settings,
            self._store,
            self._training_data,
            training.__name__,
        )

    def add_to(self, app: FastAPI) -> None:
        """Add the routes to an app."""
        answers = {"predict": self._predict, "train": self._train}
        add_routes(app, self._service, INCEPTION.name, answers, smaller=SMALLER_DOCUMENTS)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Train whenever there is enough to learn from, during a block."""
        return self._trainer.running()

    async def _predict(self, given: dict[str, Any], request: HttpRequest) -> Response:
        wanted, xml, sent = layer_request(given), type_system(given), sent_document(given)
        self._check(wanted)
        types = await asyncio.to_thread(types_with_layer, xml, wanted, predict=True)
        document = await asyncio.to_thread(open_document, sent.xmi, types)
        self._store.set_layer(wanted)
        found = await self._found(document.text, request)
        left_out: Counter = Counter()
        xmi = await asyncio.to_thread(with_suggestions, document, wanted, found.entities, left_out)
        for reason, n in left_out.items():
            _log.warning("%s, /predict: Entities %s, left out: %d", INCEPTION.name, reason, n)
        return JSONResponse({"document": xmi})

    async def _train(self, given: dict[str, Any], _: HttpRequest) -> Response:
        if not self._settings.train_after:
            raise UserError(
                "This service does not train: start it with --train-after 1, say, or switch off "
                "the training of the recommender in INCEpTION."
            )
        wanted, xml, sent = layer_request(given), type_system(given), sent_documents(given)
        self._check(wanted)
        types = await asyncio.to_thread(types_with_layer, xml, wanted, predict=False)
        by_user = defaultdict(list)
        for number, one in enumerate(sent):
            try:
                document = await asyncio.to_thread(annotated_document, one, types, wanted)
            except UserError as error:
                raise UserError(f"documents.{number}: {error}") from error
            by_user[one.user].append(document)
        self._store.set_layer(wanted)
        is_training = self._trainer.is_training
        self._store.replace(by_user)
        self._trainer.look()
        return Response(status_code=429 if is_training else 204)

    def _check(self, wanted: LayerRequest) -> None:
        """Check that a request is about the layer that this service belongs to.

        Raises:
            Refused: If it is about another one.
        """
        known = self._store.layer
        if known is None or known[:3] == wanted[:3]:
            return
        other = "Start another service for it, with a folder of its own."
        if known.project != wanted.project:
            raise Refused(
                404,
                f"Project {wanted.project} is unknown: this service belongs to project "
                f"{known.project}. {other}",
            )
        raise Refused(
            404,
            f"This service belongs to the layer {known.layer} and its feature {known.feature}, and "
            f"not to {wanted.layer:.{MOST_QUOTED}} and {wanted.feature:.{MOST_QUOTED}}. {other}",
        )

    async def _found(self, text: str, request: HttpRequest) -> AnnotatedText:
        """Return what is found in a text.

        Raises:
            Refused: If it is too long, or the pipeline fails on it.
        """
        most = self._service.limits.characters
        if len(text) > most:
            raise Refused(
                413,
                f"The document has {len(text):,} characters, and this service takes {most:,} at "
                f"most: start it with a higher --max-characters.",
            )
        answer = await self._service.answer(Request((text,), RequestSettings()), request)
        if isinstance(answer, FailedText):
            raise Refused(500, f"The pipeline failed on the document: {answer.kind}.")
        return answer[0]

    def _training_data(self, nlp: Language, _: Collection[str]) -> TrainingData:
        records = annotated_sentences(self._store.documents(), self._settings.finished)
        usable = [one for one in records if len(one.text) <= nlp.max_length]
        too_long = [str(one.id) for one in records if len(one.text) > nlp.max_length]
        left_out = [
            f"{named(INCEPTION.item, too_long)} left out: the text has more than "
            f"{nlp.max_length:,} characters, which the pipeline takes at most."
        ]
        files = {training.SENTENCES_FILE: list(map(as_json, usable))}
        return TrainingData(len(usable), files, left_out if too_long else ())


def recommender_extension(
    folder: Path, version: PipelineVersion, settings: RecommenderSettings
) -> Extension:
    """Return what adds the routes of a recommender for INCEpTION to an app.

    It raises a `UserError` if the pipeline can't do what the settings ask for.

    Args:
        folder: Where annotations and versions are kept.
        version: The version that the app serves.
        settings: How to learn.
    """

    def extend(app: FastAPI, service: Service) -> AbstractAsyncContextManager[None]:
        check_can_learn(service.nlp, str(version.folder), settings)
        recommender = Recommender(service, folder, version, settings)
        recommender.add_to(app)
        return recommender.running()

    return extend
