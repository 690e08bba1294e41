"""Extract English texts under open licences from git clones.

    python -m benchmarks.encoder.texts CLONES OUT [--source NAME ...] [--mix WORDS]

CLONES is a folder with a clone of each source's repository, bare or not. That of OWNER/NAME is in
OWNER+NAME, or in OWNER+NAME/repo:

    git clone --bare https://github.com/nltk/nltk_data clones/nltk+nltk_data

Clones are read as they are at HEAD. benchmarks/encoder/texts/sources.json names the sources, with
their licences, and the commits that were read last. Each source becomes OUT/NAME.jsonl, one text in
a line with the key `text`, and an entry in OUT/sources.json. The same commits give the same texts.
"""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.encoder.texts.clones import Clone
from benchmarks.encoder.texts.extraction import INDEX, MIX, MIXED, extract, mix
from benchmarks.encoder.texts.sources import SOURCES
from benchmarks.harness import command
from benchmarks.harness.paths import ROOT
from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.common.files import check_folder, reported_os_errors


def source_name(text: str) -> str:
    """Check the name of a source."""
    if text not in SOURCES:
        index = Path(__file__).with_name(INDEX).relative_to(ROOT)
        raise typer.BadParameter(f"{text!r} is not a source. Their names are in {index}.")
    return text


def main(
    clones: Annotated[
        Path, typer.Argument(help="Folder of the clones", exists=True, file_okay=False)
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write")],
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="NAME",
            parser=source_name,
            help="A source; repeat the option for several. All if not given",
        ),
    ] = None,
    n_words: Annotated[
        int | None,
        typer.Option(
            "--mix",
            min=1,
            metavar="WORDS",
            help=f"Write {MIX} too, of all texts in OUT: so many words of {', '.join(MIXED)} each",
        ),
    ] = None,
) -> None:
    """Extract the sources, in the order of the table, and mix their texts."""
    sources = [source for source in SOURCES.values() if source.name in (names or SOURCES)]
    try:
        check_folder(out, "name a folder")
        of_sources = [Clone.of(clones, source.repository) for source in sources]  # or none is read
        with reported_os_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        for source, clone in zip(sources, of_sources):
            entry = extract(source, clone, out)
            print("{name}: {n_texts:,} texts, {n_words:,} words".format(**entry), flush=True)
        if n_words is not None:
            for domain, n in mix(out, n_words).items():
                print(f"{MIX}: {n:,} words of {domain}")
    except UserError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    command.run(main)
