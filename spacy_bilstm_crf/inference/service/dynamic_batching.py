"""Requests that wait, and are predicted together. Nothing waits for others to come: while some
are predicted those that arrive gather, so that the batches are as large as the load asks for."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from .annotator import Answer, Failed, Job

Answers = Sequence[Answer | Failed]


class Waiting(NamedTuple):
    """A job, and where its answer goes. It is cancelled when nobody waits for it any more."""

    job: Job
    answer: "asyncio.Future[Answer | Failed]"


class WaitingJobs:
    """Jobs in the order in which they came, and one thread that works on them.

    Args:
        annotate: Answers several jobs. Called from one thread alone.
        batch_size: Texts that are taken together, of several jobs. A job is never parted: one with
            more texts is taken alone.
        seen: Told of each batch.
    """

    def __init__(
        self,
        annotate: Callable[[Sequence[Job]], Answers],
        batch_size: int,
        seen: Callable[[Sequence[Job]], None] = lambda jobs: None,
    ) -> None:
        self._annotate = annotate
        self._batch_size = batch_size
        self._seen = seen
        self._jobs: deque[Waiting] = deque()
        self._came = asyncio.Event()
        self._stops = False
        self._working: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Answer what is there, and end. It begins again when another job comes."""
        self._stops = True
        self._came.set()
        # One that ended with its event loop has nothing to answer
        if self._working is not None and not self._working.done():
            await self._working

    def add(self, job: Job) -> "asyncio.Future[Answer | Failed]":
        """Let a job wait for its answer. If nobody wants it any more, cancel what this gives."""
        loop = asyncio.get_running_loop()
        # Not before there is a job: an app that is mounted has no start, and tests have many loops
        if self._working is None or self._working.done() or self._working.get_loop() is not loop:
            self._jobs, self._came, self._stops = deque(), asyncio.Event(), False
            self._working = loop.create_task(self._work())
        answer: asyncio.Future[Answer | Failed] = loop.create_future()
        self._jobs.append(Waiting(job, answer))
        self._came.set()
        return answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="annotator") as thread:
            while self._jobs or not self._stops:
                await self._came.wait()
                batch = self._next()
                if not batch:
                    self._came.clear()
                    continue
                jobs = [waiting.job for waiting in batch]
                try:
                    self._seen(jobs)
                    answers = await loop.run_in_executor(thread, self._annotate, jobs)
                except Exception as error:  # one of ours: the service goes on, and those know
                    answers = [Failed.of(error)] * len(jobs)
                for waiting, answer in zip(batch, answers):
                    if not waiting.answer.done():  # cancelled meanwhile
                        waiting.answer.set_result(answer)

    def _next(self) -> list[Waiting]:
        batch: list[Waiting] = []
        n_texts = 0
        while self._jobs:
            n_more = len(self._jobs[0].job.texts)
            if batch and n_texts + n_more > self._batch_size:
                break
            waiting = self._jobs.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
                n_texts += n_more
        return batch
