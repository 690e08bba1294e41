"""Dynamic batching: requests queue while a batch runs, and all that queue make the next one.

No request is held back for others to come, so batches are as large as the load requires.
"""

import asyncio
import atexit
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from queue import SimpleQueue
from typing import NamedTuple

from ..annotated_text import AnnotatedText, FailedText
from ..annotator import Annotator, RequestSettings
from ..corrections import TextCorrections

# Less probable entities may be hundreds for each token
RARE = 0.01
OF_RARE, OF_SEQUENCE = 30, 0.5  # what they weigh, where the entities alone weigh 1
# A token costs at least as much as so many characters: English has 5 to a token, symbols 1
CHARACTERS_OF_TOKEN = 4
# About what a tokenizer takes for a token. Chinese, Japanese and Thai have no blanks between words
_IDEOGRAPHS = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+|_|[^\w\s]")


@dataclass(frozen=True)
class Request:
    """Texts, what to find in them, and what is known about spans of each of them, if anything."""

    texts: tuple[str, ...]
    settings: RequestSettings
    corrections: tuple[TextCorrections, ...] | None = None

    @cached_property
    def cost(self) -> int:
        """The characters of prose whose entities alone take about as much memory and time."""
        known = self.corrections or [TextCorrections()] * len(self.texts)
        sizes = (_size(text) * _weight_of(of_text) for text, of_text in zip(self.texts, known))
        return round(sum(sizes) * weight(self.settings))


def _size(text: str) -> int:
    return max(len(text), CHARACTERS_OF_TOKEN * sum(1 for _ in _TOKEN.finditer(text)))


def weight(settings: RequestSettings) -> float:
    """Return how much more memory and time a text takes with what is asked for beside entities."""
    given = settings.threshold
    thresholds = given.values() if isinstance(given, dict) else [given]
    least = min(p for p in (*thresholds, settings.candidates, 1.0) if p is not None)
    candidates = 0 if settings.candidates is None else 1
    if least < RARE:
        candidates = OF_RARE
    return 1 + candidates + OF_SEQUENCE * (settings.k_best or 0)


def _weight_of(known: TextCorrections) -> float:
    """Return how much more time a text takes with corrections.

    Each rejected span with a label may add four tags, to the seventeen of four labels, and the time
    grows with the square of their number.
    """
    return (1 + sum(span.label is not None for span in known.rejected) / 4) ** 2


# What was found in each text of a request; a text that fails spoils its own request only
Answer = list[AnnotatedText] | FailedText


class QueuedRequest(NamedTuple):
    """A request, and where its answer goes. It is cancelled when nobody wants it any more."""

    request: Request
    answer: "asyncio.Future[Answer]"
    end_of_wait: asyncio.TimerHandle


# Of the thread: requests, and where their answers go
Job = tuple[Sequence[Request], "asyncio.Future[Sequence[Answer]]"]


class WaitedTooLong(Exception):
    """The turn of a request has not come in time."""


class DynamicBatcher:
    """A queue of requests, and one thread that answers them.

    Args:
        annotator: Called from one thread alone.
        batch_size: The most texts of several requests that are taken together. A request is never
            parted: one with more texts is taken alone.
        batch_cost: The most that several requests that are taken together cost: see `Request.cost`.
        seconds: The most that a request waits for its turn.
        on_batch: Told of each batch.

    Attributes:
        annotator: The same. Another one may take its place at any time: the batch that is being
            worked on is finished by the old one.
    """

    def __init__(
        self,
        annotator: Annotator,
        batch_size: int,
        batch_cost: int,
        seconds: float,
        on_batch: Callable[[Sequence[Request]], None] = lambda requests: None,
    ) -> None:
        self.annotator = annotator
        self._batch_size, self._batch_cost = batch_size, batch_cost
        self._seconds = seconds
        self._on_batch = on_batch
        self._queue: deque[QueuedRequest] = deque()
        self._batch: list[QueuedRequest] = []  # that the thread works on
        self._came = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Answer what is in the queue, and end. It begins again when another request comes.

        A batch of which nobody wants an answer any more is not waited for, here or at the end of
        the process.
        """
        wanted = [each.answer for each in (*self._batch, *self._queue) if not each.answer.done()]
        if wanted:
            await asyncio.wait(wanted)
        # One that ended with its event loop has nothing to answer
        if self._working is not None and not self._working.done():
            self._working.cancel()
            await asyncio.wait([self._working])

    def add(self, request: Request) -> "asyncio.Future[Answer]":
        """Queue a request.

        Returns:
            Its answer to come, to be cancelled if nobody wants it. `WaitedTooLong` is raised for it
            if the request's turn does not come in time.
        """
        loop = asyncio.get_running_loop()
        # Not before there is one: an app that is mounted has no start, and tests have many loops
        if self._working is None or self._working.done() or self._working.get_loop() is not loop:
            self._queue, self._came = deque(), asyncio.Event()
            self._working = loop.create_task(self._work())
        answer: asyncio.Future[Answer] = loop.create_future()
        end_of_wait = loop.call_later(self._seconds, _end_wait, answer)
        self._queue.append(QueuedRequest(request, answer, end_of_wait))
        self._came.set()
        return answer

    async def _work(self) -> None:
        jobs: SimpleQueue[Job | None] = SimpleQueue()
        # No executor: at the end of the process those wait for their threads
        thread = threading.Thread(
            target=self._answer_all, args=(jobs,), name="annotator", daemon=True
        )
        thread.start()
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._came.wait()
                self._batch = self._next()
                if not self._batch:
                    self._came.clear()
                    continue
                requests = [queued.request for queued in self._batch]
                answers: Sequence[Answer]
                try:
                    self._on_batch(requests)
                    done: asyncio.Future[Sequence[Answer]] = loop.create_future()
                    jobs.put((requests, done))
                    answers = await done
                except Exception as error:  # one of ours: the service goes on, and those know
                    answers = [FailedText.of(error)] * len(requests)
                for queued, answer in zip(self._batch, answers):
                    if not queued.answer.done():  # cancelled meanwhile
                        queued.answer.set_result(answer)
                self._batch = []
        finally:
            jobs.put(None)
            if self._batch:
                atexit.register(_end_without, thread)

    def _answer_all(self, jobs: "SimpleQueue[Job | None]") -> None:
        """Answer batches, in a thread, until there is None."""
        for requests, done in iter(jobs.get, None):
            try:
                give = partial(done.set_result, self._answers(requests))
            except Exception as error:
                give = partial(done.set_exception, error)
            try:
                done.get_loop().call_soon_threadsafe(_give, done, give)
            except RuntimeError:  # the loop is closed
                return

    def _next(self) -> list[QueuedRequest]:
        batch: list[QueuedRequest] = []
        n_texts = cost = 0
        while self._queue:
            request, answer, end_of_wait = self._queue[0]
            if answer.done():  # cancelled, or it has waited too long
                self._queue.popleft()
                end_of_wait.cancel()
                continue
            n_texts += len(request.texts)
            cost += request.cost
            if batch and (n_texts > self._batch_size or cost > self._batch_cost):
                break
            end_of_wait.cancel()
            batch.append(self._queue.popleft())
        return batch

    def _answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Annotate the texts of requests, all of those with the same settings together."""
        answers: dict[int, Answer] = {}
        annotator = self.annotator
        # Texts with corrections are annotated one by one
        kinds = [(request.settings, request.corrections is None) for request in requests]
        for first, kind in enumerate(kinds):
            if first in answers:
                continue
            alike = [i for i, of_request in enumerate(kinds) if of_request == kind]
            texts = [text for i in alike for text in requests[i].texts]
            known = None if kind[1] else [x for i in alike for x in requests[i].corrections or ()]
            found = iter(annotator(texts, kind[0], known))
            for i in alike:
                answers[i] = _answer([next(found) for _ in requests[i].texts])
        return [answers[i] for i in range(len(requests))]


def _give(done: "asyncio.Future[Sequence[Answer]]", give: Callable[[], None]) -> None:
    if not done.done():
        give()


def _end_without(thread: threading.Thread) -> None:
    """End the process if a thread still works: Python would end it within PyTorch, and crash."""
    if thread.is_alive():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _end_wait(answer: "asyncio.Future[Answer]") -> None:
    if not answer.done():
        answer.set_exception(WaitedTooLong)


def _answer(found: Sequence[AnnotatedText | FailedText]) -> Answer:
    annotations: list[AnnotatedText] = []
    for each in found:
        if isinstance(each, FailedText):
            return each
        annotations.append(each)
    return annotations
