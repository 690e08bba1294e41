"""Install this project's wheel and a trained pipeline's into a new environment and use them.

python scripts/check_wheels.py PROJECT PIPELINE
"""

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

import typer

ROOT = Path(__file__).parent.parent
SENTENCE = "Ingrid Halvorsen opened an office in Oslo on 3 March 2025 for $40 million ."
# From data to a pipeline as README has it, with nothing but the package
COMMANDS = """
bilstm-crf init-config my.cfg --train train.spacy --dev train.spacy --vectors glove
bilstm-crf copy-config glove_char_cnn copied.cfg
train my.cfg --output training --training.max_steps 4
"""
WRITE_DATA = """
import spacy
from spacy.tokens import DocBin
nlp = spacy.blank("en")
doc = nlp("They met in London in 1833.")
doc.ents = [doc.char_span(12, 18, "PLACE")]
DocBin(docs=[doc]).to_disk("train.spacy")
"""
USE = f"""
import spacy, sys
nlp = spacy.load(sys.argv[1])
doc = nlp({SENTENCE!r})
print([(ent.text, ent.label_) for ent in doc.ents])
assert doc.has_annotation("ENT_IOB"), "the pipeline sets no entities"
assert doc.ents, "no entity was found in a sentence full of them"
"""


def only(folder: Path, pattern: str) -> Path:
    """The newest file that matches."""
    found = sorted(folder.rglob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit(f"No {pattern} in {folder}. Run `make dist` and `make train` first.")
    return found[-1]


def check_contents(wheel: Path, sdist: Path) -> None:
    """The wheel holds the package alone; the sdist what it is built from."""
    names = zipfile.ZipFile(wheel).namelist()
    foreign = [name for name in names if not name.startswith("spacy_bilstm_crf")]
    if foreign:
        sys.exit(f"The wheel holds more than the package: {foreign}")
    entry_points = zipfile.ZipFile(wheel).read(
        next(name for name in names if name.endswith("entry_points.txt"))
    )
    assert b"bilstm_crf_ner" in entry_points
    for template in ROOT.glob("spacy_bilstm_crf/**/*.html.jinja"):
        assert template.relative_to(ROOT).as_posix() in names
    resources = [*ROOT.glob("configs/*.cfg"), *ROOT.glob("assets/vectors/*.gz")]
    paths = [path.relative_to(ROOT).as_posix() for path in resources]
    assert len(paths) > 1
    for path in paths:
        assert f"spacy_bilstm_crf/resources/{path}" in names
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.cfg", "setup.py", *paths} <= in_sdist


def check_use(python: str, folder: Path, name: str) -> None:
    """A trained pipeline finds entities, and one can be trained on what comes with the package."""
    subprocess.run([python, "-c", USE, name], check=True, cwd=folder)
    subprocess.run([python, "-c", WRITE_DATA], check=True, cwd=folder)
    for command in COMMANDS.strip().splitlines():
        subprocess.run([python, "-m", "spacy", *command.split()], check=True, cwd=folder)
    assert (folder / "training" / "model-best" / "vocab" / "vectors").stat().st_size > 1e6


def main(
    project: Path = typer.Argument(..., help="Folder with this project's wheel and sdist"),
    pipeline: Path = typer.Argument(..., help="Folder with the trained pipeline's wheel"),
) -> None:
    """Install this project's wheel and a trained pipeline's into a new environment and use them."""
    ours = only(project, "spacy_bilstm_crf-*.whl")
    check_contents(ours, only(project, "spacy_bilstm_crf-*.tar.gz"))
    trained = only(pipeline, "en_*.whl")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pinned = ["--constraint", str(ROOT / "requirements.txt")]
        subprocess.run([*install, *pinned, str(ours), str(trained)], check=True)
        name = trained.name.split("-")[0]
        check_use(python, Path(folder), name)
    print(f"{ours.name} and {trained.name} install and work together.")


if __name__ == "__main__":
    typer.run(main)
