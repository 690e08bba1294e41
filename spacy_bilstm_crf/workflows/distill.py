"""Knowledge distillation: train a fast pipeline on what a slow one predicts for raw texts."""

import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaInit
from spacy.tokens import Doc, DocBin
from spacy.util import load_config, registry
from spacy.vocab import Vocab
from thinc.api import Config

from ..common.errors import UserError, reported_errors
from ..common.files import check_folder
from ..common.pipelines import check_components, fingerprint, load_pipeline
from ..data.corpus import Data, doc_of_text, read_annotated, texts_of, unread_incorrect_spans
from ..data.soft_labels import teacher_labels, write_soft_labels
from ..data.texts import Text
from ..inference.recognizers import recognizers
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..training.loop import best_model, train_pipeline, untrained_pipeline

Overrides = dict[str, Any]
SOFT_LABELS_FOLDER = "soft-labels"  # in the output
MOST_TEMPERATURE = 1000.0  # far above, floats can't tell the probabilities apart


def distill(
    teacher: Language | str | Path,
    texts: str | Path | Iterable[str | Text | Doc],
    config: str | Path,
    output: str | Path,
    *,
    labelled: Data | None = None,
    dev: Data | None = None,
    temperature: float = 1.0,
    entities: bool = False,
    text_key: str = "text",
    lines: bool = False,
    component: str = "ner",
    overrides: Overrides | None = None,
    use_gpu: int = -1,
    on_progress: Callable[[str], None] | None = None,
) -> Path:
    """Train a fast pipeline on what a slow one predicts for raw texts.

    If the teacher has a `bilstm_crf_ner`, the student learns its distribution over tag sequences;
    otherwise it learns the teacher's entities, weighted by their probabilities if available. The
    soft labels are kept in `OUTPUT/soft-labels`, so that an interrupted run can be resumed.

    Args:
        teacher: A trained pipeline, its folder or the name of its package.
        texts: Raw texts, or a file or folder of them.
        config: Training config of the student.
        output: Folder for the soft labels, `model-best` and `model-last`.
        labelled: Annotated data to train on as well.
        dev: Development data. Default: that of the config.
        temperature: What the scores of teacher and student are divided by, above 0 and at most
            1000. Above 1 it softens the targets.
        entities: Whether to learn the entities of the whole pipeline, whatever else it predicts.
        text_key: Key or column of the text in JSON, CSV and Parquet.
        lines: Whether each line of a .txt file is a text; otherwise the whole file is one.
        component: Name of the student's component that learns.
        overrides: Settings of the config to replace, by their paths.
        use_gpu: ID of the GPU, which must be active (`spacy.require_gpu`), or -1 for the CPU.
        on_progress: Called with a line on what is done. Without it nothing is printed.

    Returns:
        The folder of the student.

    Raises:
        UserError: If an argument can't be used, or the student can't be trained.
    """
    output = Path(output)
    say = on_progress or (lambda line: None)
    check_folder(output)
    _check_teacher_stays(teacher, output)
    if not 0.0 < temperature <= MOST_TEMPERATURE:
        raise UserError(
            f"--temperature {temperature}: it must be above 0 and at most {MOST_TEMPERATURE}."
        )
    overrides = dict(overrides or {})
    labelled = _saved(labelled, output / "labelled.spacy")
    if dev is not None:
        overrides["paths.dev"] = str(_saved(dev, output / "dev.spacy"))
    _check_student(Path(config), overrides, component, labelled, say)
    folder = output / SOFT_LABELS_FOLDER
    given = texts_of(texts, text_key, lines=lines)
    if not _teach(teacher, given, folder, entities, say):
        where = texts if isinstance(texts, str | Path) else "the data"
        raise UserError(f"There is no text in {where}.")
    corpus = {
        "path": str(folder),
        "labelled": None if labelled is None else str(labelled),
        "temperature": temperature,
    }
    student = _student_config(Path(config), overrides, component, corpus)
    with reported_errors():
        train_pipeline(student, output, use_gpu=use_gpu, verbose=on_progress is not None)
    best = best_model(output)
    scores = json.loads((best / "meta.json").read_text(encoding="utf8")).get("performance", {})
    if scores.get("ents_f") == 0.0:
        say(
            "The student finds no entity of the development data: train it longer "
            "(training.max_steps), or on more texts with entities."
        )
    return best


def _saved(data: Data | None, path: Path) -> Path | None:
    """Return the path of annotated data, which a config needs. Docs are saved there."""
    if data is None or isinstance(data, str | Path):
        return None if data is None else Path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=data, store_user_data=True).to_disk(path)
    return path


def _check_teacher_stays(teacher: Language | str | Path, output: Path) -> None:
    """Check that the student does not take the teacher's place.

    Raises:
        UserError: If it would.
    """
    place = teacher.path if isinstance(teacher, Language) else teacher
    if place is None:
        return
    kept, found = Path(place).resolve(), output.resolve()
    names = (SOFT_LABELS_FOLDER, "model-best", "model-last")
    written = [(output / name).resolve() for name in names]
    if found.is_relative_to(kept) or any(kept.is_relative_to(path) for path in written):
        raise UserError(
            f"--output {output}: the student, saved to {output}/model-best, would overwrite the "
            f"teacher or be inside its folder. Name another folder."
        )


def _teach(
    teacher: Language | str | Path,
    texts: Iterable[Text],
    folder: Path,
    entities: bool,
    say: Callable[[str], None],
) -> int:
    """Write the soft labels that are not there yet, and return the number of texts.

    Raises:
        UserError: If the folder has soft labels of another teacher.
    """
    nlp = load_pipeline(teacher)
    check_components(nlp, "The teacher")
    ner = None if entities else _recognizer(nlp)
    if ner is not None:
        left_out = _left_out(nlp, ner.name)
        if left_out:
            say(
                f"The student learns the distribution of the teacher's '{ner.name}'. What "
                f"{', '.join(left_out)} finds or changes is ignored: use --entities to teach what "
                f"the whole pipeline finds."
            )
    if nlp is teacher:  # of which there may be no folder, or one that it was changed since
        key = sha256(nlp.to_bytes(exclude=["vocab"])).hexdigest()
    else:
        key = fingerprint(nlp.path)
        nlp.max_length = 10**9  # the limit is there for parsers
    docs = (doc_of_text(nlp, text) for text in texts if text.text.strip())
    n_texts = 0
    with reported_errors():
        for n_texts in write_soft_labels(nlp, docs, folder, ner, key):
            say(f"{n_texts:,} texts")
    return n_texts


def _recognizer(nlp: Language) -> BiLSTMCRFEntityRecognizer | None:
    """Return the component whose distribution can be learned, if there is one.

    Raises:
        UserError: If there are several.
    """
    found = recognizers(nlp)
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise UserError(
            f"The teacher has several bilstm_crf_ner components ({names}), but only one "
            f"distribution can be learned: use --entities to teach what they find together."
        )
    return found[0] if found else None


def _left_out(nlp: Language, component: str) -> list[str]:
    """Components before one that set entities, and all after it."""
    place = nlp.pipe_names.index(component)
    before = [
        name for name in nlp.pipe_names[:place] if "doc.ents" in nlp.get_pipe_meta(name).assigns
    ]
    return before + nlp.pipe_names[place + 1 :]


def _check_student(
    config: Path,
    overrides: Overrides,
    component: str,
    labelled: Path | None,
    say: Callable[[str], None],
) -> None:
    """Check that the student can be trained, before the teacher works.

    Raises:
        UserError: If it can't.
    """
    nlp = untrained_pipeline(config, overrides, component)
    if not nlp.config["training"]["max_steps"]:
        raise UserError(
            f"{config} has no training.max_steps, which is needed since soft labels are read in an "
            f"endless loop: set it with --training.max_steps."
        )
    with reported_errors(f"[initialize] of {config}"):
        registry.resolve(nlp.config.interpolate()["initialize"], schema=ConfigSchemaInit)
    dev = overrides.get("paths.dev") or load_config(config)["paths"].get("dev")
    if not dev:
        raise UserError(
            "There is no development data to choose the best model by: name it with --dev."
        )
    read_annotated(dev, nlp.vocab)
    if labelled is not None:
        unread = unread_incorrect_spans(nlp, read_annotated(labelled, nlp.vocab))
        if unread is not None:
            say(unread)


def _student_config(
    path: Path, overrides: Overrides, component: str, corpus: dict[str, Any]
) -> Config:
    """Return the training config of the student on soft labels, and annotated data if there is.

    Raises:
        UserError: If there is no entity to learn.
    """
    labels = teacher_labels(Path(corpus["path"]))
    if corpus["labelled"] is not None:  # its labels come after the teacher's
        docs = read_annotated(corpus["labelled"], Vocab())
        labels += sorted({ent.label_ for doc in docs for ent in doc.ents} - set(labels))
    if not labels:
        raise UserError("The teacher found no entity in the texts: there is nothing to learn.")
    config = load_config(path, overrides=overrides, interpolate=False)
    name = config["training"]["train_corpus"].removeprefix("corpora.")
    config["corpora"][name] = {"@readers": "spacy-bilstm-crf.Lessons.v1", **corpus}
    config["training"]["max_epochs"] = -1  # soft labels are not kept in memory
    config["initialize"]["components"].setdefault(component, {})["labels"] = labels
    return config
