"""What `annotate` is compared with: a plain loop over `nlp.pipe`, in a process of its own.

    python -m benchmarks.bulk.loop PIPELINE TEXTS.jsonl [--out FILE.parquet] [--n-process 2]

With `--out` the entities are written, as `annotate` writes them, in one file at the end.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import spacy
import srsly
import torch
from spacy.tokens import Doc

from spacy_bilstm_crf.inference.annotator import entities_of
from spacy_bilstm_crf.inference.batch.table import SCHEMA


def row(id_: str, doc: Doc) -> Any:
    """What `annotate` writes of a doc."""
    return {"id": id_, "entities": entities_of(doc), "n_tokens": len(doc), "error": None}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--n-process", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    nlp = spacy.load(given.pipeline)
    records: list[Any] = list(srsly.read_jsonl(given.texts))
    docs: Iterator[Doc] = nlp.pipe(
        (record["text"] for record in records), batch_size=128, n_process=given.n_process
    )
    if given.out is None:
        print(sum(len(doc.ents) for doc in docs), "entities")
        return
    rows = [row(record["id"], doc) for record, doc in zip(records, docs)]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), given.out)


if __name__ == "__main__":
    main()
