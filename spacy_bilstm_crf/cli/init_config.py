"""`init-config`: look at the data, and write a complete config that fits them."""

from pathlib import Path

from typer import Argument, Option
from wasabi import Printer

from ..common.errors import UserError
from ..common.files import check_file
from .app import bilstm_crf_cli, fails_in_one_line


@bilstm_crf_cli.command("init-config")
def init_config_cli(
    output_file: Path = Argument(
        ..., help="File to save the config to, or - for stdout", allow_dash=True
    ),
    train_path: Path = Option(
        ..., "--train", "-t", help="Training data: a .spacy file, or a folder of them"
    ),
    dev_path: Path | None = Option(
        None, "--dev", "-d", help="Development data, to choose the best model by"
    ),
    lang: str | None = Option(
        None,
        "--lang",
        "-l",
        help="Code of the language. Without it that of the vectors, or the one whose stop words "
        "the data are full of",
    ),
    vectors: str | None = Option(
        None, "--vectors", "-v", help="Pipeline with word vectors: a folder or an installed package"
    ),
    lookups: bool = Option(
        False,
        "--lookups",
        "-L",
        help="Embed words' probabilities and Brown clusters, of spacy-lookups-data",
    ),
    patterns: Path | None = Option(
        None,
        "--patterns",
        "-P",
        help="Lists of names as patterns of spaCy's span_ruler, .jsonl: what they say of a token "
        "is embedded beside it",
    ),
    transformer: str | None = Option(
        None,
        "--transformer",
        "-T",
        help="Fine-tune this transformer: a name on the Hugging Face hub or a folder",
    ),
    gpu: bool = Option(False, "--gpu", "-G", help="Write a config for training on a GPU"),
    force_overwrite: bool = Option(False, "--force", "-F", help="Overwrite the output file"),
) -> None:
    """Write a complete training config that fits the data.

    Counts sentences, labels and missing annotation, says what is odd about them, and chooses the
    length of the training, its batches, how often it is evaluated, and the threshold. Each choice
    has its reason in the file, as a comment.
    """
    is_stdout = str(output_file) == "-"
    msg = Printer(no_print=is_stdout)
    with fails_in_one_line():
        if not is_stdout:
            check_file(output_file, force_overwrite)
            for path in filter(None, (train_path, dev_path, patterns)):
                if path.resolve() == output_file.resolve():
                    raise UserError(f"{output_file} is data that is read. Name another file.")
        # Late, so that spaCy's other commands start as quickly as without this package
        from ..workflows.init_config.fitted_config import Sources, fitted_config

        sources = Sources(
            vectors=vectors,
            lookups=lookups,
            patterns=None if patterns is None else str(patterns),
            transformer=transformer,
            gpu=gpu,
        )
        config = fitted_config(train_path, dev_path, lang, sources)
    for line in config.facts:
        msg.info(line)
    for line in config.warnings:
        msg.warn(line)
    if is_stdout:
        print(config.text)
        return
    output_file.parent.mkdir(parents=True, exist_ok=True)
    output_file.write_text(config.text, encoding="utf8")
    msg.good(f"Saved the config to {output_file}. Now train:")
    print(" ".join(train_command(output_file, dev_path, gpu)))


def train_command(config: Path, dev_path: Path | None, gpu: bool) -> list[str]:
    """What to run next."""
    command = ["python -m spacy train", str(config), "--output training"]
    if dev_path is None:
        command.append("--paths.dev dev.spacy")
    return [*command, "--gpu-id 0"] if gpu else command
