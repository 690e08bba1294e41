"""Engines, which bring parts to workers: processes of this machine, Ray Data, or Spark.

All call the same function for each part, and the worker reads and writes the files by itself. So on
a cluster input, pipeline and output have to be where all machines see them.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from ...common.errors import UserError, one_line
from ...common.processes import end_with_parent
from .parts import Part
from .run import Engine, Work

SPARK_POLL = 0.5  # seconds
GO_ON = (
    "Run the same command again to resume, with fewer --jobs or a smaller --batch-size if memory "
    "is short."
)
KILLED = f"A worker was killed, perhaps because memory ran out. {GO_ON}"
Numbers = Generator[int, None, None]  # of parts that are written


def local(work: Work, parts: Sequence[Part], jobs: int) -> Numbers:
    """Annotate parts in processes of this machine or, with one job, in this process."""
    if jobs == 1 or len(parts) < 2:
        yield from map(work.do, parts)
        return
    # A forked process would inherit locks that are never released
    context = multiprocessing.get_context("spawn")
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(min(jobs, len(parts)), context, _begin_worker, (os.getpid(),))
    # `as_completed` takes the locks of all parts at once: Ctrl-C meanwhile would leave them taken,
    # and the pool waits for them at its end
    done: SimpleQueue[Future[int]] = SimpleQueue()
    try:
        _submit(pool, work, parts, done)
        for _ in parts:
            yield done.get().result()
    except BrokenProcessPool as error:
        raise UserError(KILLED) from error
    finally:
        # Also when the caller asks for no more parts: workers would do all that are left
        for child in multiprocessing.active_children():
            if child not in others:
                child.terminate()
        # Waits for them and for the pool's threads, which would print errors when we exit
        pool.shutdown(cancel_futures=True)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Delay Ctrl-C until the end of a block, so that no process is left half started.

    Processes that are started meanwhile inherit that the signal is blocked, so that it does not
    stop them in their imports: the process that started them ends them.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        yield
        return
    interrupts: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    can_block = hasattr(signal, "pthread_sigmask")  # not on Windows
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if can_block else set()
    try:
        yield
    finally:
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, handler)
        if interrupts:
            signal.raise_signal(signal.SIGINT)


def _submit(
    pool: ProcessPoolExecutor, work: Work, parts: Sequence[Part], done: "SimpleQueue[Future[int]]"
) -> None:
    """Submit all parts to a pool. Those that are done come to the queue."""
    try:
        with _no_interrupts():
            for part in parts:
                pool.submit(work.do, part).add_done_callback(done.put)
    except (OSError, ValueError) as error:
        # The pool starts its workers here. When one is killed meanwhile it closes its pipes, and
        # the next can't be started with them: each time with another error.
        raise UserError(KILLED) from error


def _begin_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    end_with_parent(parent, lambda: os._exit(1))


class RayWorker:
    """An actor of Ray, which annotates a part for each row that it gets."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Annotate the parts of a batch."""
        return {"number": [self.work.do(_part(value)) for value in batch["part"]]}


def ray(work: Work, parts: Sequence[Part], jobs: int) -> Numbers:
    """Annotate parts with Ray Data, on the cluster of RAY_ADDRESS or on this machine."""
    import ray as ray_

    is_new = not ray_.is_initialized()
    if is_new:
        # One more than the actors hold, for the task that hands them the parts
        cores = None if os.environ.get("RAY_ADDRESS") else jobs + 1
        ray_.init(num_cpus=cores, include_dashboard=False, log_to_driver=False)
    try:
        ray_.data.DataContext.get_current().enable_progress_bars = False
        rows = [{"part": _text(part)} for part in parts]
        annotated = ray_.data.from_items(rows, override_num_blocks=len(parts)).map_batches(
            RayWorker,
            fn_constructor_args=(work,),
            compute=ray_.data.ActorPoolStrategy(size=jobs),
            batch_size=1,
        )
        for row in annotated.iter_rows():
            yield int(row["number"])
    except ray_.exceptions.RayError as error:
        raise _of_worker(error) from error
    finally:
        if is_new:  # else it may write after our error
            ray_.shutdown()


def spark(work: Work, parts: Sequence[Part], jobs: int) -> Numbers:
    """Annotate parts with Spark, in the session of `spark-submit` or one on this machine."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    def annotated(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            numbers = [work.do(_part(value)) for value in batch.column(0).to_pylist()]
            yield pa.record_batch({"number": pa.array(numbers, pa.int64())})

    with _spark_session(jobs) as session:
        rows = session.sparkContext.parallelize([(_text(part),) for part in parts], len(parts))
        frame = session.createDataFrame(rows, "part string").mapInArrow(annotated, "number long")
        # Spark returns results when all are done: the files tell what is done before
        left = {part.number for part in parts}
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(frame.collect)
            while not job.done():
                time.sleep(SPARK_POLL)
                new = {number for number in left if work.file_of(number).path.exists()}
                left -= new
                yield from sorted(new)
            try:
                job.result()
            except (PySparkException, Py4JJavaError) as error:
                raise _of_worker(error) from error
        yield from sorted(left)


@contextmanager
def _spark_session(jobs: int) -> Iterator[Any]:
    """Yield the session that exists or a new one, which is stopped before it logs our error."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("spacy-bilstm-crf annotate")
    builder = builder.config("spark.ui.showConsoleProgress", "false")  # our bar counts rows
    if "SPARK_ENV_LOADED" not in os.environ:  # spark-submit names the cluster itself
        builder = builder.master(f"local[{jobs}]").config("spark.ui.enabled", "false")
    is_new = SparkSession.getActiveSession() is None
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        if is_new:
            session.stop()


ENGINES: dict[str, Engine] = {"local": local, "ray": ray, "spark": spark}


def _of_worker(error: Exception) -> Exception:
    """Return the error that a worker raised: Ray and Spark give its traceback as text."""
    name = f"{UserError.__module__}.{UserError.__qualname__}: "
    raised = [line for line in str(error).splitlines() if line.startswith(name)]
    if raised:
        return UserError(raised[-1][len(name) :])
    if "Traceback" in str(error):  # unexpected: whoever mends it needs all of it
        return error
    if "Python worker exited unexpectedly" in str(error):  # in the words of Spark
        return UserError(KILLED)
    return UserError(f"{one_line(error)} {GO_ON}")


def _text(part: Part) -> str:
    return json.dumps(part._asdict())


def _part(text: str) -> Part:
    values = json.loads(text)
    return Part(**{**values, "paths": tuple(values["paths"])})
