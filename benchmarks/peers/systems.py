"""The systems of the comparison: how each is trained, and what it cannot do."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.data_size import LANGUAGES, our_config
from benchmarks.drop_in import ROWS
from benchmarks.harness.paths import VECTORS
from benchmarks.harness.training import Overrides, length, stock_config

Cell = tuple[str, int]  # data set and number of sentences, 0 for the whole
CELLS: list[Cell] = ROWS
# Of slow systems: the part where there is one
SLOW_CELLS = [(name, size) for name, size in CELLS if size or (name, 1000) not in CELLS]
SHIPPED_VECTORS, GLOVE, MINILM = "GloVe, 20,000 words", "GloVe, 341,479 words", "MiniLM-L6"


class Pretrained(NamedTuple):
    """What was learned elsewhere and is not in the repository.

    Attributes:
        glove: Folder of all of GloVe, from `spacy init vectors`; beside it, as .txt, what it was
            made of.
        minilm: Folder of a Hugging Face model.
    """

    glove: Path
    minilm: Path | None


def ours(
    vectors: str, pretrained: Pretrained, most: int, dataset: str, part: Path, out: Path
) -> Overrides:
    """Write what `init-config` makes for a part, with vectors or without."""
    folders = {SHIPPED_VECTORS: VECTORS, GLOVE: pretrained.glove}
    return our_config(None, dataset, part, out, folders.get(vectors))


def stock(
    optimize: str, pretrained: Pretrained, most: int, dataset: str, part: Path, out: Path
) -> Overrides:
    """Write spaCy's own efficiency or accuracy config."""
    stock_config(out, optimize, LANGUAGES.get(dataset, "en"))
    if optimize == "efficiency":
        return {}
    return {"paths.vectors": pretrained.glove, "training.max_steps": most}


def stock_transformer(
    pretrained: Pretrained, most: int, dataset: str, part: Path, out: Path
) -> Overrides:
    """Write spaCy's own config with a transformer, MiniLM, for fewer steps."""
    stock_config(out, "efficiency", LANGUAGES.get(dataset, "en"), transformer=True)
    return {
        **length(most),
        "training.patience": 0,
        "training.optimizer.learn_rate.warmup_steps": most // 10,
        "components.transformer.model.name": pretrained.minilm,
    }


class System(NamedTuple):
    """A system.

    Attributes:
        name: What tables call it.
        worker: Module of `workers/` that asks it, and trains it if there is no `write_config`.
        set_up: How it is trained.
        lacks: What it does not do.
        reads: What it reads that was learned elsewhere.
        write_config: Writes a spaCy config for a data set's part, and returns its overrides.
        made_of: The system that it is made of, by export.
        most: Steps, or Flair's epochs, at most, where its own number would take too long.
        n_seeds: Number of trainings.
        is_slow: Whether it is left with 1,000 sentences, for want of time.
        needs_english: Whether it needs vectors or a transformer, which are there in English alone.
    """

    name: str
    worker: str
    set_up: str
    lacks: str
    reads: str = ""
    write_config: Callable[[Pretrained, int, str, Path, Path], Overrides] | None = None
    made_of: str | None = None
    most: int = 0
    n_seeds: int = 1
    is_slow: bool = False
    needs_english: bool = False

    @property
    def module(self) -> str:
        """The module that asks it, as `python -m` takes it."""
        return f"benchmarks.peers.workers.{self.worker}"

    @property
    def cells(self) -> list[Cell]:
        """Data sets and numbers of sentences that it is trained on."""
        cells = SLOW_CELLS if self.is_slow else CELLS
        return [cell for cell in cells if not self.needs_english or cell[0] not in LANGUAGES]


OVERLAPPING = "overlapping entities"
NO_PROBABILITIES = f"probabilities of entities, n-best lists, {OVERLAPPING}"
MEAN_SCORE = "probabilities of entities (its score is the mean over the tokens)"
SYSTEMS: dict[str, System] = {
    "ours": System(
        "ours",
        "with_spacy",
        "`init-config`",
        f"{OVERLAPPING} (`bilstm_crf_spans` does)",
        write_config=partial(ours, ""),
        n_seeds=3,
    ),
    "ours-shipped": System(
        "ours, shipped vectors",
        "with_spacy",
        "`init-config --vectors glove`",
        f"{OVERLAPPING} (`bilstm_crf_spans` does)",
        reads=SHIPPED_VECTORS,
        write_config=partial(ours, SHIPPED_VECTORS),
        n_seeds=3,
        needs_english=True,
    ),
    "ours-glove": System(
        "ours, all of GloVe",
        "with_spacy",
        "`init-config --vectors`",
        f"{OVERLAPPING} (`bilstm_crf_spans` does)",
        reads=GLOVE,
        write_config=partial(ours, GLOVE),
        n_seeds=3,
        needs_english=True,
    ),
    "ours-int8": System(
        "ours, shipped vectors, exported int8",
        "with_spacy",
        "the one with the shipped vectors, by `export --precision int8`",
        f"{OVERLAPPING}, further training",
        reads=SHIPPED_VECTORS,
        made_of="ours-shipped",
        n_seeds=3,
        needs_english=True,
    ),
    "spacy-efficiency": System(
        "spaCy `ner`, efficiency",
        "with_spacy",
        "`init config --optimize efficiency`",
        NO_PROBABILITIES,
        write_config=partial(stock, "efficiency"),
    ),
    "spacy-accuracy": System(
        "spaCy `ner`, accuracy",
        "with_spacy",
        "`init config --optimize accuracy`, at most {most:,} steps",
        NO_PROBABILITIES,
        reads=GLOVE,
        write_config=partial(stock, "accuracy"),
        most=2500,
        is_slow=True,
        needs_english=True,
    ),
    "spacy-minilm": System(
        "spaCy `ner`, transformer",
        "with_spacy",
        "`init config --gpu` with another transformer, {most:,} steps",
        NO_PROBABILITIES,
        reads=MINILM,
        write_config=stock_transformer,
        most=400,
        is_slow=True,
        needs_english=True,
    ),
    "flair": System(
        "Flair `SequenceTagger`",
        "with_flair",
        "its defaults, embeddings of words and characters, at most {most:,} epochs",
        f"{MEAN_SCORE}, n-best lists, {OVERLAPPING}, entities that are given",
        reads=GLOVE,
        most=50,
        is_slow=True,
    ),
    "stanza": System(
        "Stanza's NER tagger",
        "with_stanza",
        "its defaults without `--charlm`, at most {most:,} steps",
        f"scores of entities, n-best lists, {OVERLAPPING}, entities that are given",
        reads=GLOVE,
        most=2000,
        is_slow=True,
    ),
    "edsnlp": System(
        "EDS-NLP `eds.ner_crf`",
        "with_edsnlp",
        "the config of its tutorial, {most:,} steps of 1,024 words",
        f"{MEAN_SCORE}, n-best lists, entities that are given, work without a transformer",
        reads=MINILM,
        most=300,
        is_slow=True,
        needs_english=True,
    ),
}
