"""What the service answers, apart from its routes."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from spacy.language import Language
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from ...decoding import TooManyEntities
from ...pipeline.corrections import CorrectionError
from ..annotated_docs import AnnotatedTokens, docbin_of, sources_of_labels
from ..annotated_text import AnnotatedText, FailedText
from ..annotator import Annotator, RequestSettings
from ..corrections import KnownSpan, TextCorrections, why_no_corrections
from ..recognizers import coverage_of, groups_without_overlap, labels_by_component, why_no_k_best
from .body import BUSY, SOON, Limits, Refused, RequestReader
from .dynamic_batching import Answer, DynamicBatcher, Request, WaitedTooLong
from .messages import (
    AnnotatedTexts,
    AnnotateRequest,
    FixedSpan,
    RejectedSpan,
)
from .metrics import Metrics
from .responses import DocBinResponse, PatientResponse

KNOWN = TextCorrections._fields  # fields of a request with spans
# Nobody is there to read it; it is counted
CLIENT_LEFT = 499


def name_and_version(nlp: Language) -> str:
    """Return language, name and version of a pipeline."""
    name, version = (nlp.meta.get(key) for key in ("name", "version"))
    return f"{nlp.lang}_{name} {version}"


class Service:
    """What the app does, apart from its routes.

    Args:
        nlp: The pipeline.
        limits: What one request may take.
        batch_size: Texts that are predicted together, at most.

    Attributes:
        limits: The same.
        read: Reads the bodies of requests.
        metrics: Counts requests, and what is found.
        batcher: Annotates texts.
        n_waiting: The number of requests that have no answer yet.
    """

    def __init__(self, nlp: Language, limits: Limits, batch_size: int) -> None:
        self.limits = limits
        self.read = RequestReader(limits)
        self.metrics = Metrics()
        self.batcher = DynamicBatcher(
            Annotator(nlp),
            batch_size,
            limits.characters,
            limits.queue,
            self.metrics.count_batch,
        )
        self.n_waiting = 0
        # Of those that have arrived
        self._n_queued = self._queued_cost = 0

    @property
    def nlp(self) -> Language:
        """The pipeline."""
        return self.batcher.annotator.nlp

    def replace_pipeline(self, nlp: Language) -> None:
        """Serve another pipeline from now on. No request is lost: see `DynamicBatcher.annotator`.

        Args:
            nlp: The pipeline, which has the same components.
        """
        self.batcher.annotator = Annotator(nlp)

    def labels(self) -> dict[str, Any]:
        """Return what `messages.LabelsResponse` describes."""
        annotator = self.batcher.annotator
        nlp, components = annotator.nlp, annotator.components
        return {
            "pipeline": name_and_version(nlp),
            "labels": sorted({label for of in labels_by_component(nlp).values() for label in of}),
            "knows_probabilities": bool(components),
            "knows_k_best": why_no_k_best(nlp) is None,
            "knows_corrections": why_no_corrections(nlp) is None,
            "threshold": annotator.threshold,
            "thresholds": annotator.thresholds,
            "coverage": coverage_of(nlp),
            "label_groups": groups_without_overlap(nlp) if components else None,
            "max_texts": self.limits.texts,
            "max_characters": self.limits.characters,
        }

    async def annotate(self, request: HttpRequest) -> Response:
        """Answer a request to annotate, or say why not."""
        return await self.respond(request, self._annotated)

    async def respond(
        self, request: HttpRequest, answer: Callable[[HttpRequest], Awaitable[Response]]
    ) -> Response:
        """Answer a request, or say why not, and count it.

        Args:
            request: The request.
            answer: Answers it, or raises `Refused`.
        """
        begin = time.perf_counter()
        status = 500
        self.n_waiting += 1
        self.metrics.waiting.inc()
        try:
            response = await answer(request)
            status = response.status_code
            return response
        except Refused as refused:
            status = refused.status
            return JSONResponse({"detail": refused.detail}, status, refused.headers)
        except ClientDisconnect:
            status = CLIENT_LEFT
            return Response(status_code=status)
        finally:
            self.n_waiting -= 1
            self.metrics.waiting.dec()
            self.metrics.requests.labels(str(status)).inc()
            self.metrics.seconds.observe(time.perf_counter() - begin)

    async def _annotated(self, request: HttpRequest) -> Response:
        given = await self.read(request, AnnotateRequest)
        asked = Request(tuple(given.texts), self._settings(given), self._corrections(given))
        results = [
            {
                "entities": found.entities,
                "candidates": found.candidates,
                "k_best": found.k_best,
                "tokens": found.tokens,
            }
            for found in await self._found(asked, request)
        ]
        content = json.dumps({"results": results}, ensure_ascii=False)
        return PatientResponse(content.encode(), self.limits.seconds)

    async def docbin(self, request: HttpRequest) -> Response:
        """Answer a request to write annotated texts as a .spacy file, or say why not."""
        return await self.respond(request, self._docbin)

    async def _docbin(self, request: HttpRequest) -> Response:
        given = await self.read(request, AnnotatedTexts)
        entities = self._spans(given, "entities")
        # Its tokens are found by the thread that the pipeline belongs to
        asked = Request(tuple(given.texts), RequestSettings(tokens=True))
        found = await self._found(asked, request)
        texts = [
            AnnotatedTokens(text, of_text.tokens or [], spans)
            for text, of_text, spans in zip(given.texts, found, entities)
        ]
        try:
            sources = sources_of_labels(self.nlp)
            return DocBinResponse(await asyncio.to_thread(docbin_of, texts, sources))
        except CorrectionError as error:
            raise Refused(422, f"entities: {error}") from error

    async def _found(self, asked: Request, request: HttpRequest) -> list[AnnotatedText]:
        """Return what is found in texts.

        Raises:
            Refused: If the pipeline fails on one, or as `answer` does.
        """
        answer = await self.answer(asked, request)
        if isinstance(answer, FailedText):
            if answer.kind == TooManyEntities.__name__:
                raise Refused(413, f"{answer.reason} Set a higher threshold or candidates.")
            if answer.kind == CorrectionError.__name__:
                raise Refused(422, answer.message)
            # Without the reason, which may quote the text
            where = "; ".join(answer.place)
            logging.getLogger("uvicorn.error").error("A text failed: %s at %s", answer.kind, where)
            raise Refused(500, f"The pipeline failed on a text: {answer.kind}. The log says where.")
        return answer

    @contextmanager
    def _queued(self, asked: Request) -> Iterator[None]:
        """Count a request as one that waits.

        Raises:
            Refused: If it asks for too much, or too many wait.
        """
        limits, cost = self.limits, asked.cost
        if cost > limits.cost:
            # A little less, for those that are denser at their beginning
            most = int(0.98 * sum(map(len, asked.texts)) * limits.cost / cost)
            what = "Of such texts, with this threshold, candidates, k_best and corrections"
            raise Refused(413, f"{what}, send at most {most:,} characters at a time.")
        self._n_queued += 1
        self._queued_cost += cost
        try:
            if self._n_queued > limits.waiting or self._queued_cost > limits.waiting_cost:
                raise Refused(503, BUSY, SOON)
            yield
        finally:
            self._n_queued -= 1
            self._queued_cost -= cost

    def _settings(self, given: AnnotateRequest) -> RequestSettings:
        """Return the settings of a request; what it leaves out is as the service has it.

        Raises:
            Refused: If the pipeline does not know what the request asks for.
        """
        components = self.batcher.annotator.components
        wanted = given.model_dump(exclude={"texts", *KNOWN, "tokens"}, exclude_none=True)
        if wanted and not components:
            raise Refused(
                422,
                f"{', '.join(wanted)}: the pipeline has no bilstm_crf_ner or bilstm_crf_spans "
                f"component, which is needed for probabilities. Leave it out.",
            )
        why_not = None if given.k_best is None else why_no_k_best(self.nlp)
        if why_not is not None:
            raise Refused(422, f"k_best: {why_not}. Leave it out.")
        if isinstance(given.threshold, dict):
            known = sorted({label for component in components for label in component.labels})
            if not set(given.threshold) <= set(known):
                # Without the unknown label, which the request may have from anywhere
                raise Refused(422, f"threshold: the labels are {', '.join(known)}. Name no other.")
        own = "threshold" not in given.model_fields_set
        return RequestSettings(
            given.threshold, own, given.candidates, given.k_best, tokens=given.tokens
        )

    def _corrections(self, given: AnnotateRequest) -> tuple[TextCorrections, ...] | None:
        """Return what a request knows about spans of its texts, None if it knows nothing.

        Raises:
            Refused: If the pipeline can't be corrected, or there are not as many lists as texts.
        """
        spans = [self._spans(given, name) for name in KNOWN]
        if not any(map(any, spans)):
            return None
        why_not = why_no_corrections(self.nlp)
        if why_not is not None:
            raise Refused(422, f"{' and '.join(KNOWN)}: {why_not}. Leave them out.")
        return tuple(TextCorrections(*of_text) for of_text in zip(*spans))

    @staticmethod
    def _spans(given: AnnotateRequest | AnnotatedTexts, name: str) -> list[tuple[KnownSpan, ...]]:
        """Return a field of a request that has spans of each text.

        Raises:
            Refused: If there are not as many lists as texts.
        """
        of_texts = getattr(given, name)
        if of_texts is None:
            return [() for _ in given.texts]
        if len(of_texts) != len(given.texts):
            raise Refused(
                422,
                f"{name}: there are {len(of_texts):,} lists for {len(given.texts):,} texts. "
                f"Send one for each text, which may be empty.",
            )
        return [tuple(KnownSpan(*_values(each)) for each in one) for one in of_texts]

    async def answer(self, request: Request, http_request: HttpRequest) -> Answer:
        """Return what is found in texts, and count it.

        Args:
            request: The texts, and what to find in them.
            http_request: The request that they are of, whose body has been read.

        Raises:
            Refused: If it asks for too much, too many wait, or its turn does not come in time.
            ClientDisconnect: If the client leaves before there is an answer.
        """
        with self._queued(request):
            try:
                answer = await self._waited_for(request, http_request)
            except WaitedTooLong as error:
                raise Refused(503, BUSY, SOON) from error
        if not isinstance(answer, FailedText):
            self.metrics.count_found(answer)
        return answer

    async def _waited_for(self, request: Request, http_request: HttpRequest) -> Answer:
        answer = self.batcher.add(request)
        left: asyncio.Future[Any] = asyncio.ensure_future(_left(http_request))
        try:
            await asyncio.wait([answer, left], return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ClientDisconnect
            return answer.result()
        finally:
            left.cancel()
            answer.cancel()  # which does nothing to one that is there


def _values(span: FixedSpan | RejectedSpan) -> tuple[int, int, str | None]:
    return span.start, span.end, span.label


async def _left(request: HttpRequest) -> None:
    """Wait until the client leaves: nothing else can come after the body."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
