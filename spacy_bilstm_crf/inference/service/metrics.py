"""Numbers for Prometheus: of all workers together, whichever of them is asked."""

import os
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from ...common.processes import is_running
from ..annotated_text import AnnotatedText
from .dynamic_batching import Request

# Folder in which several workers keep their numbers: prometheus-client's own name
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "spacy_bilstm_crf"


class Metrics:
    """Counters of one app."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            f"{PREFIX}_requests", "Requests to annotate, by status", ["status"], registry=registry
        )
        self.seconds = Histogram(
            f"{PREFIX}_request_seconds",
            "Seconds from a request's headers to its answer",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=registry,
        )
        self.texts = Counter(f"{PREFIX}_texts", "Texts annotated", registry=registry)
        self.tokens = Counter(f"{PREFIX}_tokens", "Tokens annotated", registry=registry)
        self.entities = Counter(f"{PREFIX}_entities", "Entities found", registry=registry)
        self.scored = Counter(
            f"{PREFIX}_scored_entities",
            "Entities found that have a probability, by label",
            ["label"],
            registry=registry,
        )
        self.expected_correct = Counter(
            f"{PREFIX}_expected_correct_entities",
            "Entities found that are expected to be right: the sum of their probabilities",
            ["label"],
            registry=registry,
        )
        self.batch = Histogram(
            f"{PREFIX}_batch_texts",
            "Texts that were taken together",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        self.waiting = Gauge(
            f"{PREFIX}_waiting_requests",
            "Requests that have no answer yet",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def count_batch(self, requests: Sequence[Request]) -> None:
        """Count a batch."""
        self.batch.observe(sum(len(request.texts) for request in requests))

    def count_found(self, annotations: Sequence[AnnotatedText]) -> None:
        """Count what was found in texts, and how much of it is expected to be right."""
        self.texts.inc(len(annotations))
        self.tokens.inc(sum(found.n_tokens for found in annotations))
        self.entities.inc(sum(len(found.entities) for found in annotations))
        by_label: dict[str, list[float]] = {}
        for found in annotations:
            for entity in found.entities:
                if entity["confidence"] is not None:
                    by_label.setdefault(entity["label"], []).append(entity["confidence"])
        for label, probabilities in by_label.items():
            self.scored.labels(label).inc(len(probabilities))
            self.expected_correct.labels(label).inc(sum(probabilities))

    def page(self) -> tuple[bytes, str]:
        """Return all numbers in Prometheus' text format, and its content type."""
        registry = self._registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            _forget_the_dead(Path(os.environ[SHARED_FOLDER]))
            MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST


def _forget_the_dead(folder: Path) -> None:
    """Stop counting the requests that waited in workers that were killed."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not is_running(pid):
            mark_process_dead(pid, str(folder))
