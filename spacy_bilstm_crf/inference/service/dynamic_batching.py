"""Dynamic batching: requests queue while a batch runs, and all that queue make the next one.

No request is held back for others to come, so batches are as large as the load requires.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ..annotator import AnnotatedText, Annotator, FailedText, RequestSettings

# Less probable candidates may be hundreds for each token
FEW_CANDIDATES = 0.01


class Request(NamedTuple):
    """Texts, and what to find in them."""

    texts: tuple[str, ...]
    settings: RequestSettings

    @property
    def cost(self) -> int:
        """The characters of texts whose entities alone take about as much memory and time."""
        return round(sum(map(len, self.texts)) * weight(self.settings))


def weight(settings: RequestSettings) -> float:
    """Return how much more memory and time a text takes with what is asked for beside entities."""
    candidates = 0
    if settings.candidates is not None:
        candidates = 1 if settings.candidates >= FEW_CANDIDATES else 15
    return 1 + candidates + (settings.k_best or 0) / 2


# What was found in each text of a request; a text that fails spoils its own request only
Answer = list[AnnotatedText] | FailedText


class QueuedRequest(NamedTuple):
    """A request, and where its answer goes. It is cancelled when nobody wants it any more."""

    request: Request
    answer: "asyncio.Future[Answer]"


class DynamicBatcher:
    """A queue of requests, and one thread that answers them.

    Args:
        annotator: Called from one thread alone.
        batch_size: The most texts of several requests that are taken together. A request is never
            parted: one with more texts is taken alone.
        batch_cost: The most that several requests that are taken together cost: see `Request.cost`.
        on_batch: Told of each batch.
    """

    def __init__(
        self,
        annotator: Annotator,
        batch_size: int,
        batch_cost: int,
        on_batch: Callable[[Sequence[Request]], None] = lambda requests: None,
    ) -> None:
        self._annotator = annotator
        self._batch_size, self._batch_cost = batch_size, batch_cost
        self._on_batch = on_batch
        self._queue: deque[QueuedRequest] = deque()
        self._came = asyncio.Event()
        self._stops = False
        self._working: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Answer what is in the queue, and end. It begins again when another request comes."""
        self._stops = True
        self._came.set()
        # One that ended with its event loop has nothing to answer
        if self._working is not None and not self._working.done():
            await self._working

    def add(self, request: Request) -> "asyncio.Future[Answer]":
        """Queue a request, and return its answer to come, to be cancelled if nobody wants it."""
        loop = asyncio.get_running_loop()
        # Not before there is one: an app that is mounted has no start, and tests have many loops
        if self._working is None or self._working.done() or self._working.get_loop() is not loop:
            self._queue, self._came, self._stops = deque(), asyncio.Event(), False
            self._working = loop.create_task(self._work())
        answer: asyncio.Future[Answer] = loop.create_future()
        self._queue.append(QueuedRequest(request, answer))
        self._came.set()
        return answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="annotator") as thread:
            while self._queue or not self._stops:
                await self._came.wait()
                batch = self._next()
                if not batch:
                    self._came.clear()
                    continue
                requests = [queued.request for queued in batch]
                answers: Sequence[Answer]
                try:
                    self._on_batch(requests)
                    answers = await loop.run_in_executor(thread, self._answers, requests)
                except Exception as error:  # one of ours: the service goes on, and those know
                    answers = [FailedText.of(error)] * len(requests)
                for queued, answer in zip(batch, answers):
                    if not queued.answer.done():  # cancelled meanwhile
                        queued.answer.set_result(answer)

    def _next(self) -> list[QueuedRequest]:
        batch: list[QueuedRequest] = []
        n_texts = cost = 0
        while self._queue:
            request, answer = self._queue[0]
            if answer.done():  # cancelled
                self._queue.popleft()
                continue
            n_texts += len(request.texts)
            cost += request.cost
            if batch and (n_texts > self._batch_size or cost > self._batch_cost):
                break
            self._queue.popleft()
            batch.append(QueuedRequest(request, answer))
        return batch

    def _answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Annotate the texts of requests, all of those with the same settings together."""
        answers: dict[int, Answer] = {}
        for settings in dict.fromkeys(request.settings for request in requests):
            alike = [i for i, request in enumerate(requests) if request.settings == settings]
            texts = [text for i in alike for text in requests[i].texts]
            found = iter(self._annotator(texts, settings))
            for i in alike:
                answers[i] = _answer([next(found) for _ in requests[i].texts])
        return [answers[i] for i in range(len(requests))]


def _answer(found: Sequence[AnnotatedText | FailedText]) -> Answer:
    annotations: list[AnnotatedText] = []
    for each in found:
        if isinstance(each, FailedText):
            return each
        annotations.append(each)
    return annotations
