"""Dynamic batching: requests queue while a batch runs, and all that queue make the next one.

No request is held back for others to come, so batches are as large as the load requires.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ..annotator import AnnotatedText, Annotator, FailedText, RequestSettings


class Request(NamedTuple):
    """Texts, and what to find in them."""

    texts: tuple[str, ...]
    settings: RequestSettings


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
        on_batch: Told of each batch.
    """

    def __init__(
        self,
        annotator: Annotator,
        batch_size: int,
        on_batch: Callable[[Sequence[Request]], None] = lambda requests: None,
    ) -> None:
        self._annotator = annotator
        self._batch_size = batch_size
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
        n_texts = 0
        while self._queue:
            n_more = len(self._queue[0].request.texts)
            if batch and n_texts + n_more > self._batch_size:
                break
            queued = self._queue.popleft()
            if not queued.answer.done():
                batch.append(queued)
                n_texts += n_more
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
