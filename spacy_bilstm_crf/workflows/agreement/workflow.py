"""The agreement of annotators, from reading their files to the finished page."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.util import get_package_version

from ...common.errors import UserError, check_installed
from ...common.files import write_files
from ...common.pages import as_frame, interval, percent
from ...common.pipelines import load_pipeline, pipeline_name
from ...data.entity_source import EntitySource
from ...data.formats import ColumnSettings, DocSettings, FormatSettings
from ...data.formats.records import Problem
from ..convert import checked_encoding
from ..report.mentions import Mention
from ..report.metrics import LEVEL, N_RESAMPLES, SEED
from .disagreements import DISAGREEMENT_KINDS, Disagreement, disagreements
from .measures import (
    AnnotatorPair,
    agreement_of,
    annotator_pairs,
    boundaries_or_labels,
    counts_of,
    labels_of,
    mean_kappa,
    pooled,
)
from .page import agreement_page
from .reading import AnnotatedFiles, SharedText, notes_of, read_annotators, shared_texts
from .siding import Opinion, component_to_ask, opinions, summary_of_opinions

MOST_SHOWN = 100  # disagreements of each kind on the page


@dataclass(frozen=True, repr=False)
class Agreement:
    """How much annotators agree, and where they differ. Notebooks display its page.

    Attributes:
        numbers: All numbers and disagreements: dictionaries, lists, strings, numbers and None.
        notes: What was left out or could not be read, in sentences.
        html: The page, which needs nothing beside it.
        problems: What could not be read in the files.
    """

    numbers: dict[str, Any]
    notes: list[str]
    html: str
    problems: list[Problem] = field(compare=False)

    def __repr__(self) -> str:
        return "\n".join([*map(_line_of_pair, self.numbers["pairs"]), *self._of_all()])

    def _of_all(self) -> Iterator[str]:
        numbers = self.numbers
        if len(numbers["pairs"]) > 1:
            yield f"all pairs: {_of_measures(numbers['overall'])}"
        yield f"Disagreements: {numbers['n_disagreements']:,}."
        if numbers["model"] is not None:
            model = numbers["model"]
            sides = ", ".join(f"{who} {one['sides']:,}" for who, one in model["annotators"].items())
            yield f"{model['pipeline']} sides with: {sides}."

    def _repr_html_(self) -> str:
        return as_frame(self.html)

    def to_disk(self, folder: str | Path) -> None:
        """Write `agreement.html`, `agreement.json` and `problems.jsonl` to a folder.

        Files of these names are replaced.

        Args:
            folder: The folder, which is made if it does not exist.

        Raises:
            UserError: If it can't be written.
        """
        problems = "".join(
            json.dumps(problem._asdict(), ensure_ascii=False) + "\n" for problem in self.problems
        )
        contents = {
            "problems.jsonl": problems,
            "agreement.json": srsly.json_dumps(self.numbers, indent=2),
            "agreement.html": self.html,
        }
        write_files(folder, contents)


def _line_of_pair(pair: Mapping[str, Any]) -> str:
    one, other = pair["annotators"]
    return f"{one} and {other}: {_of_measures(pair)}, {pair['n_docs']:,} shared docs"


def _of_measures(of: Mapping[str, Any]) -> str:
    shown = [
        f"{title} {percent(of[key]['value'])} ({interval(of[key])})"
        for key, title in (("strict", "F"), ("overlap", "overlap F"))
        if of[key]["value"] is not None
    ]
    kappa = of.get("kappa", {"value": None})
    if kappa["value"] is not None:
        shown.append(f"kappa {kappa['value']:.3f} ({kappa['low']:.3f} to {kappa['high']:.3f})")
    return ", ".join(shown) or "no entity"


def agreement(
    files: AnnotatedFiles,
    *,
    source: str | None = None,
    pipeline: Language | str | Path | None = None,
    component: str | None = None,
    kappa: bool = False,
    spans_key: str | None = None,
    skip_empty: bool = False,
    lang: str = "xx",
    text_key: str = "text",
    encoding: str | None = None,
    labels: Sequence[str] = (),
    columns: ColumnSettings | None = None,
    layer: str | None = None,
) -> Agreement:
    """Measure how much annotators agree, and list where they differ.

    Annotators are compared in pairs, on the texts that both have annotated: by the F of entities,
    with the same boundaries and with overlaps, and by Cohen's kappa of tokens if it is asked for.
    What either has not annotated is left out.

    Args:
        files: A file with the annotation of several annotators, or several files or folders, each
            of one annotator and named after that one. A single folder stands for the files in it
            or, with brat, the folders. Or a dictionary with the docs, or `.spacy` file, of each
            annotator.
        source: The format of the files, one of `data.formats.FORMATS`; None to detect it.
        pipeline: A pipeline, its folder, or the name of an installed package. For each
            disagreement, it tells how probable each annotator's version is.
        component: Name of the pipeline's component that finds entities. Default: `ner`, or else the
            only component around a CRF, such as a `bilstm_crf_spans`.
        kappa: Whether to compute Cohen's kappa at tokens, which have one label or none.
        spans_key: Key in `doc.spans` of the entities, which may overlap. None compares those of
            `doc.ents`.
        skip_empty: Whether to leave out docs in which an annotator has no entity, for tools whose
            files don't tell them from docs that nobody has looked at.
        lang: Language whose tokenizer splits texts that come without tokens.
        text_key: Key of the text in JSON.
        encoding: Encoding of the files; None for UTF-8.
        labels: Names of tags, in the order of the integers that stand for them in data sets of
            Hugging Face. They are needed if no file has them.
        columns: The layout of CoNLL columns.
        layer: Layer of INCEpTION that has the entities, by its name or the last part of it; None
            for that of named entities, or the only other one.

    Returns:
        The numbers, the disagreements and the page.

    Raises:
        UserError: If an argument or a file can't be used, there is one annotator alone, or no text
            was annotated by two.
    """
    check_installed("report", "jinja2")
    if kappa and spans_key is not None:
        raise UserError(
            "--kappa is of tokens with one label each, and entities in doc.spans may overlap: "
            "leave out --kappa or --spans-key."
        )
    where = EntitySource(spans_key)
    docs = DocSettings(
        "trim",
        overlaps="problem" if spans_key is None else "keep",
        spans_key=spans_key or "sc",
        splits_tokens=True,
    )
    settings = FormatSettings(
        lang,
        text_key,
        docs,
        columns or ColumnSettings(),
        checked_encoding(encoding),
        tuple(labels),
        layer=layer,
        by_annotator=True,
    )
    nlp = None if pipeline is None else load_pipeline(pipeline)
    name = "" if pipeline is None else pipeline_name(pipeline)
    if nlp is not None:
        component = component_to_ask(nlp, name, component, where)
    given = read_annotators(files, source, settings)
    texts, n_docs = shared_texts(given, where, skip_empty)
    places = disagreements(texts)
    found = None
    if nlp is not None:
        asked = zip(places, opinions(nlp, str(component), places))
        by_certainty = sorted(asked, key=lambda each: -_certainty(each[1]))
        places, found = [place for place, _ in by_certainty], [each for _, each in by_certainty]
    paths = None if isinstance(files, Mapping) else files
    numbers = {
        "files": _as_list(paths),
        "format": given.source,
        "version": get_package_version("spacy-bilstm-crf"),
        "bootstrap": {"resamples": N_RESAMPLES, "seed": SEED, "level": LEVEL},
        "spans_key": spans_key,
        **_measured(texts, n_docs, kappa),
        **_listed(places, found),
        "model": None,
    }
    if found is not None:
        summary = summary_of_opinions(places, found)
        numbers["model"] = {"pipeline": name, "component": component, **summary}
    notes = notes_of(given.findings)
    if given.source != source:
        notes.insert(0, f"The files are read as {given.source}")
    page = agreement_page({**numbers, "notes": notes}, places, found)
    return Agreement(numbers, notes, page, given.findings.problems)


def _as_list(files: str | Path | Sequence[str | Path] | None) -> list[str] | None:
    if files is None:
        return None
    return [str(path) for path in ([files] if isinstance(files, str | Path) else files)]


def _certainty(opinion: Opinion) -> float:
    """Return how probable the version is that the model prefers, to sort by."""
    return max((p for p in opinion.probabilities.values() if p is not None), default=0.0)


def _measured(
    texts: Sequence[SharedText], n_docs: Mapping[str, int], with_kappa: bool
) -> dict[str, Any]:
    """Return the agreement of each pair of annotators, and that of all together."""
    labels = labels_of(texts)
    pairs = annotator_pairs(texts, labels)
    if not pairs:
        raise UserError(
            "No token was annotated by two annotators: what one has annotated of a text, the other "
            "has not."
        )
    counts = [counts_of(pair, labels) for pair in pairs]
    of_pairs = [
        _of_pair(pair, *agreement_of(each, labels, with_kappa)) for pair, each in zip(pairs, counts)
    ]
    overall, by_label = agreement_of(pooled(counts, len(texts)), labels, with_kappa=False)
    if with_kappa:
        overall["kappa"] = mean_kappa(counts, len(texts))
    n_shared = Counter(who for text in texts for who in text.annotations)
    return {
        "n_texts": len(texts),
        "labels": labels,
        "annotators": {
            who: {"n_docs": n_docs[who], "n_shared": n_shared[who]} for who in sorted(n_docs)
        },
        "overall": overall,
        "by_label": by_label,
        "pairs": of_pairs,
    }


def _of_pair(
    pair: AnnotatorPair, overall: dict[str, Any], by_label: dict[str, Any]
) -> dict[str, Any]:
    return {
        "annotators": [pair.one, pair.other],
        "n_docs": len(pair.docs),
        "n_tokens": sum(tags.shape[1] for tags in pair.tokens),
        **overall,
        "semeval": boundaries_or_labels(pair),
        "by_label": by_label,
    }


def _listed(places: Sequence[Disagreement], found: Sequence[Opinion] | None) -> dict[str, Any]:
    """Return all disagreements, and the number of each kind."""
    kinds = Counter(place.kind for place in places)
    return {
        "n_disagreements": len(places),
        "kinds": {kind: kinds[kind] for kind in DISAGREEMENT_KINDS},
        "most_shown": MOST_SHOWN,
        "disagreements": [
            _as_json(place, None if found is None else found[i]) for i, place in enumerate(places)
        ],
    }


def _as_json(place: Disagreement, opinion: Opinion | None) -> dict[str, Any]:
    start, end = place.offsets
    listed: dict[str, Any] = {
        "doc": place.text.number,
        "id": place.text.id,
        "kind": place.kind,
        "start": start,
        "end": end,
        "text": place.text.text[start:end],
        "annotators": {who: [_entity(m) for m in each] for who, each in place.versions.items()},
    }
    if opinion is not None:
        listed["model"] = {
            "probabilities": opinion.probabilities,
            "other": opinion.other,
            "sides_with": list(opinion.sides_with),
        }
    return listed


def _entity(mention: Mention) -> dict[str, Any]:
    return {
        "start": mention.start_char,
        "end": mention.end_char,
        "label": mention.label,
        "text": mention.text,
    }
