"""`init-config`: write a complete config that fits the data."""

from pathlib import Path

from typer import Argument, Option
from wasabi import Printer

from ..common.files import check_file
from .app import bilstm_crf_cli
from .options import ForceOption


@bilstm_crf_cli.command("init-config")
def init_config_cli(
    output: Path = Argument(..., help="File to save the config to, or - for stdout"),
    train: Path = Option(
        ..., "--train", "-t", exists=True, help="Training data: a .spacy file, or a folder of them"
    ),
    dev: Path | None = Option(
        None, "--dev", "-d", exists=True, help="Development data, to choose the best model by"
    ),
    lang: str | None = Option(
        None,
        "--lang",
        "-l",
        help="Language code. Default: that of the vectors, or else detected from stop words in "
        "the data",
    ),
    vectors: str | None = Option(
        None,
        "--vectors",
        "-v",
        help="Pipeline with word vectors: a folder or a package's name. Or glove, those of 20,000 "
        "English words that come with this package, to be saved to the folder glove",
    ),
    lookups: bool = Option(
        False,
        "--lookups",
        "-L",
        help="Embed words' probabilities and Brown clusters, from spacy-lookups-data",
    ),
    patterns: Path | None = Option(
        None,
        "--patterns",
        "-P",
        exists=True,
        dir_okay=False,
        help="Lists of names, as a .jsonl file of patterns of spaCy's span_ruler. Their matches "
        "are embedded beside the tokens",
    ),
    transformer: str | None = Option(
        None,
        "--transformer",
        "-T",
        help="Fine-tune this transformer: a name on the Hugging Face hub or a folder",
    ),
    gpu: bool = Option(False, "--gpu", "-G", help="Write a config for training on a GPU"),
    overlapping: bool | None = Option(
        None,
        "--overlapping/--no-overlapping",
        help="Train a bilstm_crf_spans, which learns entities that may overlap from doc.spans. "
        "Default: if the training data have such entities there, or none in doc.ents",
    ),
    spans_key: str | None = Option(
        None,
        "--spans-key",
        help="Key in doc.spans of entities that may overlap, which are then learned. Default: sc",
    ),
    incorrect_spans_key: str | None = Option(
        None,
        "--incorrect-spans-key",
        help="Key in doc.spans for rejected spans. Default: incorrect_spans, if there are any",
    ),
    write_clean: Path | None = Option(
        None,
        "--write-clean",
        metavar="DIR",
        help="Write the training data to DIR/train.spacy without copies and without what is in the "
        "development data, and train on that",
    ),
    force: ForceOption = False,
) -> None:
    """Write a complete training config that fits the data.

    Counts sentences, labels and missing annotation, warns about oddities in the data, and chooses
    the training length, batch size, evaluation frequency and threshold. A comment in the file gives
    the reason for each choice.
    """
    is_stdout = str(output) == "-"
    if not is_stdout:
        check_file(output, force, read=[train, dev, patterns])
    if write_clean is not None:
        check_file(write_clean / "train.spacy", force)
    from ..workflows import init_config

    config = init_config(
        train,
        dev=dev,
        lang=lang,
        vectors=vectors,
        lookups=lookups,
        patterns=patterns,
        transformer=transformer,
        gpu=gpu,
        overlapping=overlapping,
        spans_key=spans_key,
        incorrect_spans_key=incorrect_spans_key,
        write_clean=write_clean,
    )
    msg = Printer(no_print=is_stdout)
    for line in config.facts:
        msg.info(line)
    for line in config.warnings:
        msg.warn(line)
    if is_stdout:
        print(config.text)
        return
    config.to_disk(output)
    msg.good(f"Saved the config to {output}. Now train:")
    needs_dev = "" if dev else " --paths.dev dev.spacy"
    print(f"python -m spacy train {output} --output training{needs_dev}{' --gpu-id 0' * gpu}")
