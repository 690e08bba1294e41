"""Bring a data set's files into the form that `bilstm-crf convert` reads.

That does the conversion itself: IOB1 and IOB2, any number of columns. What differs from one data
set to the next is done here: lines of nothing but a TAB become the empty lines that separate texts,
documents of thousands of tokens are left as single sentences by dropping their -DOCSTART-
lines, and a data set without a dev part gets one.

    python scripts/prepare.py DATASET ASSETS OUT
"""

import sys
from collections.abc import Callable
from pathlib import Path

import typer

DOCSTART = "-DOCSTART-"

Documents = list[list[str]]  # documents of lines


def read(path: Path) -> Documents:
    """Split a file at its -DOCSTART- lines; a file without them is one document."""
    documents: Documents = [[]]
    for line in path.read_text(encoding="utf8").splitlines():
        if line.startswith(DOCSTART):
            documents.append([])
        else:
            documents[-1].append(line.strip())
    return [lines for lines in documents if any(lines)]


def write(documents: Documents, path: Path) -> None:
    """Write the documents' sentences, one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join("\n".join(lines) for lines in documents) + "\n", encoding="utf8")


def prepare_four_domains(assets: Path, out: Path) -> None:
    """One file for each domain; its documents are short and stay whole."""
    for path in sorted(assets.glob("*/*.conll")):
        target = out / path.relative_to(assets)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


def prepare_wnut17(assets: Path, out: Path) -> None:
    """The training file separates texts with a TAB."""
    write(read(assets / "wnut17train.conll"), out / "train/wnut17.conll")
    write(read(assets / "emerging.dev.conll"), out / "dev/wnut17.conll")
    write(read(assets / "emerging.test.annotated"), out / "test/wnut17.conll")


def prepare_ncbi_disease(assets: Path, out: Path) -> None:
    """Nothing is odd here but the file names."""
    for part, name in (("train", "train"), ("dev", "devel"), ("test", "test")):
        write(read(assets / f"{name}.tsv"), out / part / "ncbi-disease.conll")


def prepare_sec_filings(assets: Path, out: Path) -> None:
    """There is no dev part: the last of the training agreements becomes it."""
    train = read(assets / "FIN5.txt")
    write(train[:-1], out / "train/sec-filings.conll")
    write(train[-1:], out / "dev/sec-filings.conll")
    write(read(assets / "FIN3.txt"), out / "test/sec-filings.conll")


def prepare_german_ler(assets: Path, out: Path) -> None:
    """The train file is large: nine tenths of the dev file are enough to train on."""
    sentences = [
        sentence.splitlines()
        for sentence in "\n".join(read(assets / "ler_dev.conll")[0]).split("\n\n")
    ]
    n_train = len(sentences) * 9 // 10
    write(sentences[:n_train], out / "train/german-ler.conll")
    write(sentences[n_train:], out / "dev/german-ler.conll")
    write(read(assets / "ler_test.conll"), out / "test/german-ler.conll")


def prepare_conll2003(assets: Path, out: Path) -> None:
    """Under the Reuters licence: whoever has the three files puts them into the assets."""
    for part, name in (("train", "train"), ("dev", "testa"), ("test", "testb")):
        write(read(assets / f"{name}.txt"), out / part / "conll2003.conll")


DATASETS: dict[str, Callable[[Path, Path], None]] = {
    "four-domains": prepare_four_domains,
    "wnut17": prepare_wnut17,
    "ncbi-disease": prepare_ncbi_disease,
    "sec-filings": prepare_sec_filings,
    "german-ler": prepare_german_ler,
    "conll2003": prepare_conll2003,
}


def main(
    dataset: str = typer.Argument(..., help=f"One of {', '.join(DATASETS)}"),
    assets: Path = typer.Argument(..., help="Folder with the data set's own files"),
    out: Path = typer.Argument(..., help="Folder for the .conll files"),
) -> None:
    """Bring a data set's files into the form that `bilstm-crf convert` reads."""
    if dataset not in DATASETS:
        sys.exit(f"Unknown data set '{dataset}'. There are: {', '.join(DATASETS)}.")
    if not assets.is_dir():
        sys.exit(f"No folder {assets}. Run `python -m spacy project assets` to download it.")
    try:
        DATASETS[dataset](assets, out)
    except FileNotFoundError as error:
        sys.exit(f"No file {error.filename}, which {dataset} needs.")


if __name__ == "__main__":
    typer.run(main)
