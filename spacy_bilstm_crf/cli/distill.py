"""`distill`: a slow pipeline teaches a fast one, on raw texts."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spacy.util import load_config, registry
from spacy.vocab import Vocab
from typer import Argument, Context, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_folder
from ..common.pipelines import import_code, load_pipeline
from ..training.loop import untrained_pipeline
from .app import bilstm_crf_cli, choose_gpu, fails_in_one_line, overrides_of
from .options import LinesOption

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

LESSONS = "lessons"  # folder in the output
WRITTEN = (LESSONS, "model-best", "model-last")
MOST_TEMPERATURE = 1000.0  # far above, probabilities are beyond what numbers can tell apart


@bilstm_crf_cli.command(
    "distill", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def distill_cli(
    ctx: Context,  # for overrides of the config
    teacher: str = Argument(..., help="Pipeline that teaches: a folder or an installed package"),
    texts: Path = Argument(
        ...,
        help="Texts: a .txt, .jsonl, .csv, .tsv, .parquet or .spacy file, a folder or a glob. A "
        ".txt file is one text, unless --lines is given",
    ),
    config_path: Path = Argument(..., metavar="CONFIG", help="Training config of the student"),
    output: Path = Option(..., "--output", "-o", help="Folder for the lessons and the student"),
    labelled: Path | None = Option(
        None, "--labelled", "-l", help="Annotated data to learn from as well, .spacy"
    ),
    dev: Path | None = Option(
        None, "--dev", "-d", help="Development data. Without it the config's paths.dev"
    ),
    temperature: float = Option(
        1.0,
        "--temperature",
        "-T",
        help="Divides the scores of both; above 1 teaches more of doubts",
    ),
    entities: bool = Option(
        False, "--entities", "-e", help="Teach entities alone, whatever else the teacher knows"
    ),
    text_key: str = Option("text", "--text-key", help="Key of the text in JSONL"),
    lines: LinesOption = False,
    component: str = Option("ner", "--component", help="Name of the component that learns"),
    code_path: Path | None = Option(
        None, "--code", "-c", help="Python file with registered functions that the config needs"
    ),
    use_gpu: int = Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Train a fast pipeline on what a slow one says of raw texts.

    Where the teacher has a bilstm_crf_ner, the student learns its distribution over the tag
    sequences; otherwise its entities, weighted by their probabilities where there are some. The
    lessons are kept: a run that was stopped goes on with them. Other values of the config can be
    set as with `spacy train`.
    """
    with fails_in_one_line():
        check_folder(output)
        _check_teacher_stays(teacher, output)
        if not 0.0 < temperature <= MOST_TEMPERATURE:
            raise UserError(
                f"--temperature {temperature}: it must be above 0 and at most {MOST_TEMPERATURE}."
            )
        overrides = overrides_of(ctx.args)
        import_code(code_path)
        choose_gpu(use_gpu, silent=True)
        if dev is not None:
            overrides["paths.dev"] = str(dev)
        student = Student(config_path, overrides, component, labelled, use_gpu)
        student.check()
        teach(load_pipeline(teacher), texts, text_key, output / LESSONS, entities, lines)
        student.train(output, temperature)
    msg.good(f"Saved the student in {output / 'model-best'}")


def _check_teacher_stays(teacher: str, output: Path) -> None:
    """See to it that the student does not take the teacher's place.

    Raises:
        UserError: If it would.
    """
    kept, found = Path(teacher).resolve(), output.resolve()
    written = [(output / name).resolve() for name in WRITTEN]
    if kept in (found, *found.parents) or any(path in (kept, *kept.parents) for path in written):
        raise UserError(
            f"--output {output}: the student would take the teacher's place, or lie in it, as it "
            f"is saved in {output}/model-best. Name another folder."
        )


def teach(
    nlp: "Language",
    texts: Path,
    text_key: str,
    folder: Path,
    entities: bool,
    lines: bool = False,
) -> None:
    """Let a pipeline say what it finds in texts, where that is not kept yet.

    Raises:
        UserError: If there are no texts, or the folder has other lessons.
    """
    from ..common.errors import one_line
    from ..data.soft_labels import write_lessons
    from ..inference.recognizers import recognizers

    found = recognizers(nlp)
    if len(found) > 1 and not entities:
        names = ", ".join(one.name for one in found)
        raise UserError(
            f"The teacher has several bilstm_crf_ner components ({names}), whose distributions are "
            f"not one: teach what they find together with --entities."
        )
    if not nlp.pipe_names:
        raise UserError("The teacher has no components, so it finds nothing.")
    name = found[0].name if found and not entities else None
    nlp.max_length = 10**9  # the limit is there for parsers
    left_out = [] if name is None else _left_out(nlp, name)
    if left_out:
        msg.warn(
            f"The teacher's '{name}' teaches its distribution. What {', '.join(left_out)} finds or "
            f"changes is left out: --entities teaches what the whole pipeline finds."
        )
    teacher = _digest(nlp.path)
    n_texts = 0
    try:
        for n_texts in write_lessons(
            nlp, _docs(nlp, texts, text_key, lines), folder, name, teacher
        ):
            print(f"{n_texts:,} texts", flush=True)
    except ValueError as error:  # UserError is one
        raise UserError(one_line(error)) from error
    if not n_texts:
        raise UserError(f"There is no text in {texts}.")


def _left_out(nlp: "Language", component: str) -> list[str]:
    """Components that set entities before one, and all after it."""
    place = nlp.pipe_names.index(component)
    before = [
        name for name in nlp.pipe_names[:place] if "doc.ents" in nlp.get_pipe_meta(name).assigns
    ]
    return before + nlp.pipe_names[place + 1 :]


def _digest(pipeline: Path) -> str:
    """Tells the files of a pipeline from those of any other."""
    found = blake2b(digest_size=8)
    for path in sorted(path for path in pipeline.rglob("*") if path.is_file()):
        found.update(str(path.relative_to(pipeline)).encode())
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
    return found.hexdigest()


def _docs(nlp: "Language", path: Path, text_key: str, lines: bool) -> Iterator["Doc"]:
    from ..data.texts import read_texts

    texts = read_texts(path, text_key, lines=lines)
    return (one.doc(nlp) for one in texts if one.text.strip())


class Student(NamedTuple):
    """What is trained, and with what.

    Attributes:
        config: Training config.
        overrides: Settings of it to replace.
        component: The component that learns.
        labelled: Annotated data to learn from as well.
        use_gpu: ID of the GPU, or -1.
    """

    config: Path
    overrides: dict[str, Any]
    component: str
    labelled: Path | None
    use_gpu: int

    def check(self) -> None:
        """See to it that the student can be trained, before the teacher works.

        Raises:
            UserError: If it can't.
        """
        from spacy.schemas import ConfigSchemaInit

        from ..common.errors import one_line
        from ..data.corpus import read_annotated

        nlp = untrained_pipeline(self.config, self.overrides, self.component)
        if not nlp.config["training"]["max_steps"]:
            raise UserError(
                f"{self.config} has no training.max_steps, and lessons are read without end: give "
                f"it with --training.max_steps"
            )
        try:
            registry.resolve(nlp.config.interpolate()["initialize"], schema=ConfigSchemaInit)
        except ValueError as error:
            raise UserError(f"[initialize] of {self.config}: {one_line(error)}") from error
        dev = self.overrides.get("paths.dev") or load_config(self.config)["paths"].get("dev")
        if not dev:
            raise UserError("There is nothing to choose the best model by: name it with --dev")
        for path in filter(None, (dev, self.labelled)):
            read_annotated(Path(path), nlp.vocab)

    def train(self, output: Path, temperature: float) -> None:
        """Train the student as `spacy train` does."""
        from spacy.training.initialize import init_nlp
        from spacy.training.loop import train

        from ..common.errors import one_line

        lessons: dict[str, Any] = {
            "@readers": "spacy-bilstm-crf.Lessons.v1",
            "path": str(output / LESSONS),
            "labelled": None if self.labelled is None else str(self.labelled),
            "temperature": temperature,
        }
        config = load_config(self.config, overrides=self.overrides, interpolate=False)
        corpus = config["training"]["train_corpus"].removeprefix("corpora.")
        config["corpora"][corpus] = lessons
        config["training"]["max_epochs"] = -1  # the lessons are not kept in memory
        of_component = config["initialize"]["components"].setdefault(self.component, {})
        try:
            of_component["labels"] = self._labels(output / LESSONS)
            nlp = init_nlp(config, use_gpu=self.use_gpu)
            train(nlp, output, use_gpu=self.use_gpu)
        except ValueError as error:
            raise UserError(one_line(error)) from error

    def _labels(self, folder: Path) -> list[str]:
        """Labels of the lessons, in the teacher's order, then those of the annotated data."""
        from ..data.corpus import read_annotated
        from ..data.soft_labels import labels_of

        found = dict.fromkeys(labels_of(folder))
        if self.labelled is not None:
            docs = read_annotated(self.labelled, Vocab())
            found.update(dict.fromkeys(sorted({e.label_ for doc in docs for e in doc.ents})))
        if not found:
            raise UserError("The teacher found no entity in the texts: there is nothing to learn.")
        return list(found)
