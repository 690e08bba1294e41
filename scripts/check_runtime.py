"""Install an exported pipeline without torch, and compare it with what torch predicts.

python scripts/check_runtime.py PROJECT DATASET

PROJECT is the folder of this project's wheel. A new environment gets requirements-runtime.txt, that
wheel and the exported pipeline's. There, `annotate` and `serve` have to find what the trained
pipeline finds here.
"""

import json
import subprocess
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

import spacy
import typer
from spacy.tokens import DocBin

ROOT = Path(__file__).parent.parent
PREDICT = """
import importlib.util, json, sys
import spacy

assert importlib.util.find_spec("torch") is None, "torch is installed"
nlp = spacy.load(sys.argv[1])
docs = nlp.pipe(json.load(open(sys.argv[2])))
found = [[[e.start_char, e.end_char, e.label_, e._.confidence] for e in doc.ents] for doc in docs]
json.dump(found, open(sys.argv[3], "w"))
"""
MOST_DIFFERENT = 1e-5  # between two probabilities
SECONDS_TO_START = 60


def entities(nlp: spacy.Language, texts: list[str]) -> list[list[list]]:
    """Find the entities of texts, with their probabilities."""
    docs = nlp.pipe(texts)
    return [
        [[ent.start_char, ent.end_char, ent.label_, ent._.confidence] for ent in doc.ents]
        for doc in docs
    ]


def check_same(found: list[list[list]], expected: list[list[list]], where: str) -> None:
    """Check that entities are the same, and their probabilities nearly."""
    assert len(found) == len(expected), where
    for mine, theirs in zip(found, expected):
        assert [ent[:3] for ent in mine] == [ent[:3] for ent in theirs], where
        apart = [abs(one[3] - other[3]) for one, other in zip(mine, theirs)]
        assert max(apart, default=0.0) < MOST_DIFFERENT, where
    print(f"{where}: {sum(map(len, found))} entities as with torch")


def served(python: str, pipeline: str, texts: list[str]) -> list[list[list]]:
    """Ask the service for the entities of texts."""
    command = [python, "-u", "-m", "spacy", "bilstm-crf", "serve", pipeline, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = next(
                word
                for line in server.stdout or ()
                for word in line.split()
                if word.startswith("http://")
            )
            body = json.dumps({"texts": texts}).encode()
            headers = {"Content-Type": "application/json"}
            url = f"{address.rstrip('/')}/annotate"
            request = urllib.request.Request(url, body, headers)
            with urllib.request.urlopen(request, timeout=SECONDS_TO_START) as answer:
                results = json.load(answer)["results"]
        finally:
            server.terminate()
    return [
        [[ent["start"], ent["end"], ent["label"], ent["confidence"]] for ent in result["entities"]]
        for result in results
    ]


def main(
    project: Path = typer.Argument(..., help="Folder with this project's wheel"),
    dataset: str = typer.Argument(..., help="Data set of the trained and exported pipeline"),
) -> None:
    """Install an exported pipeline without torch, and compare it with what torch predicts."""
    trained = spacy.load(ROOT / "training" / dataset / "model-best")
    files = sorted((ROOT / "corpus" / dataset / "test").rglob("*.spacy"))
    docs = [doc for file in files for doc in DocBin().from_disk(file).get_docs(trained.vocab)]
    texts = [doc.text for doc in docs]
    expected = entities(trained, texts)
    assert any(expected)
    wheels = [next(project.glob("*.whl")), next((ROOT / "packages" / dataset).rglob("*.whl"))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        venv.create(folder / "env", with_pip=True)
        python = str(folder / "env" / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        runtime = ROOT / "requirements-runtime.txt"
        subprocess.run([*install, "--no-deps", "-r", runtime, *wheels], check=True)
        megabytes = sum(file.lstat().st_size for file in (folder / "env").rglob("*")) / 1e6
        print(f"Installed {megabytes:.0f} MB in {time.perf_counter() - start:.0f} s")
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf8")
        (folder / "predict.py").write_text(PREDICT, encoding="utf8")
        package = wheels[1].name.split("-")[0]
        subprocess.run(
            [python, "predict.py", package, "texts.json", "found.json"], check=True, cwd=folder
        )
        check_same(json.loads((folder / "found.json").read_text()), expected, "nlp.pipe")
        check_same(served(python, package, texts[:10]), expected[:10], "serve")
        subprocess.run([*install, "--no-deps", _pinned("pyarrow")], check=True)
        lines = "".join(
            json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)
        )
        (folder / "texts.jsonl").write_text(lines, encoding="utf8")
        annotate = ["bilstm-crf", "annotate", package, "texts.jsonl", "found"]
        subprocess.run([python, "-m", "spacy", *annotate, "--to", "jsonl"], check=True, cwd=folder)
        rows = [
            json.loads(line)
            for file in sorted((folder / "found").glob("*.jsonl"))
            for line in file.read_text(encoding="utf8").splitlines()
        ]
        found = [
            [[ent["start"], ent["end"], ent["label"], ent["confidence"]] for ent in row["entities"]]
            for row in sorted(rows, key=lambda row: int(row["id"]))
        ]
        check_same(found, expected, "annotate")


def _pinned(package: str) -> str:
    """Return a package with its version in requirements-dev.txt."""
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf8").splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


if __name__ == "__main__":
    typer.run(main)
