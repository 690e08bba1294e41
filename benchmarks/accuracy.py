"""F of whole data sets: train one row of the table with several seeds.

    python -m spacy project run convert . --vars.dataset DATASET
    python -m benchmarks.accuracy ROW [--seed 0 --seed 1] [--vectors FOLDER]

Each seed is a `spacy train` of its own, with one thread. The model is the one that is best on the
development part; the test part is scored once, with that model. Scores are exact-match micro F of
entities.

Results go to benchmarks/accuracy/results/ROW.json, seed by seed. Seeds that the file has, of the
same settings, are not trained again. --averaged also scores the seeds as one model and writes
ROW-averaged.json; it needs the seeds' models, which --models keeps.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.harness import command, tables
from benchmarks.harness.paths import CORPUS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, read_all, summary
from benchmarks.harness.training import LIKELY, Overrides, config_path, length, scored, train
from spacy_bilstm_crf.workflows import calibrate, ensemble

# For WNUT-17, where F1 is about 0.5 on the development part
UNLIKELY_TOO = {"components.ner.threshold": 0.1}
# A word's probability, in any case, and its Brown cluster, in the tables of spacy-lookups-data
ATTRIBUTES = ["PROB", "LOWER_PROB", "TITLE_PROB", "UPPER_PROB", "CLUSTER"]
LOOKED_UP = {
    "initialize.lookups": {
        "@misc": "spacy.LookupsDataLoader.v1",
        "lang": "en",
        "tables": ["lexeme_prob", "lexeme_cluster"],
    },
    "components.ner.model.tok2vec.attrs": ATTRIBUTES,
}


def _row(dataset: str, config: str | None, overrides: Overrides | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"dataset": dataset, "config": config}
    return row if overrides is None else {**row, "overrides": overrides}


# Chosen on development scores alone
WNUT17_OVERRIDES = {
    **length(9000),
    **UNLIKELY_TOO,
    **LOOKED_UP,
    "training.eval_frequency": 340,
    "training.dropout": 0.5,
    "training.batcher.size": 10,
    "training.optimizer.learn_rate.initial_rate": 0.015,
}
NCBI_DISEASE_OVERRIDES = {**length(9000), **LIKELY, "training.eval_frequency": 270}
SEC_FILINGS_OVERRIDES = {**length(2000), **LIKELY, "training.eval_frequency": 50}
TWO_LAYERS = {"components.ner.model.depth": 2}
# A row with a `calibrated_threshold` is calibrated on the development part after training, so its
# score there is that of data it was fitted to.
ROWS: dict[str, dict[str, Any]] = {
    "conll2003-glove_char_cnn": _row("conll2003", "glove_char_cnn", LIKELY),
    "conll2003-glove_char_lstm": _row("conll2003", "glove_char_lstm", LIKELY),
    "conll2003-lookups": _row("conll2003", "glove_char_cnn", {**LIKELY, **LOOKED_UP}),
    "conll2003-two-layers": _row("conll2003", "glove_char_cnn", {**LIKELY, **TWO_LAYERS}),
    "conll2003-ner": _row("conll2003", None),
    "wnut17-glove_char_cnn": {
        **_row("wnut17", "glove_char_cnn", WNUT17_OVERRIDES),
        "calibrated_threshold": 0.25,
    },
    "wnut17-transformer": _row("wnut17", "transformer", UNLIKELY_TOO),
    "wnut17-bilstm_crf": _row("wnut17", "bilstm_crf"),
    "wnut17-ner": _row("wnut17", None),
    "ncbi-disease-glove_char_cnn": _row("ncbi-disease", "glove_char_cnn", NCBI_DISEASE_OVERRIDES),
    "ncbi-disease-ner": _row("ncbi-disease", None),
    "sec-filings-glove_char_cnn": _row("sec-filings", "glove_char_cnn", SEC_FILINGS_OVERRIDES),
    "sec-filings-ner": _row("sec-filings", None),
}
STOCK = "spaCy's `ner`"
# What a config names where one of its layers reads the pipeline's vectors
READERS_OF_VECTORS = ("spacy-bilstm-crf.Char", "include_static_vectors = true", "StaticVectors")


def run_seed(row: dict[str, Any], seed: int, paths: dict[str, str], folder: Path) -> Run:
    """Train and score one seed."""
    data = CORPUS / row["dataset"]
    paths = {"train": str(data / "train"), "dev": str(data / "dev"), **paths}
    config, overrides = config_path(row["config"], folder), row.get("overrides", {})
    model, evaluations, _ = train(config, paths, seed, overrides, folder / f"seed{seed}")
    threshold = row.get("calibrated_threshold")
    if threshold is not None:
        calibrate(model, data / "dev").to_disk(model)
    curve = [
        {
            "step": entry["step"],
            "epoch": entry["epoch"],
            "loss": entry["losses"]["ner"],
            "dev_f": 100 * entry["score"],
        }
        for entry in evaluations
    ]
    best = max(curve, key=lambda entry: entry["dev_f"])
    return {
        "best_step": best["step"],
        "best_epoch": best["epoch"],
        **scored(model, data, threshold=threshold),
        "curve": curve,
    }


def pretrained(name_or_folder: str) -> str:
    """Return the name of vectors or of a transformer, without the folder that they are in here."""
    hub_config = Path(name_or_folder) / "config.json"
    if hub_config.exists():
        return json.loads(hub_config.read_text())["_name_or_path"]
    return Path(name_or_folder).name


def f_of_parts(runs: list[Run]) -> dict[str, Any]:
    """Summarise F of the development and the test part over the seeds."""
    return {key: summary([run[key] for run in runs]) for key in ("dev_f", "test_f")}


def main(
    name: Annotated[str, typer.Argument(**command.one_of(ROWS, "Row of the table"))],
    seeds: command.Seeds = command.ALL_SEEDS,
    jobs: command.Jobs = 2,
    vectors: command.MaybeVectors = None,
    transformer: Annotated[str | None, typer.Option(help="Name or folder")] = None,
    models: command.Models = None,
    average: command.Averaged = False,
) -> None:
    """Train the seeds of a row that its file lacks."""
    row = ROWS[name]
    given = {"vectors": vectors, "transformer": transformer}
    paths = {kind: str(path) for kind, path in given.items() if path is not None}
    with temporary_folder(f"{name}-") as temporary:
        folder = (models or temporary) / name
        folder.mkdir(exist_ok=True, parents=True)
        settings = {
            "row": name,
            **row,
            "pretrained": {kind: pretrained(path) for kind, path in paths.items()},
            "versions": {package: version(package) for package in ("spacy", "thinc", "torch")},
            "config_text": config_path(row["config"], folder).read_text(),
        }
        file = results_of("accuracy") / f"{name}.json"
        by_seed = Results(file, settings, ["seed"], f_of_parts)
        by_seed.fill([(seed,) for seed in seeds], lambda s: run_seed(row, s, paths, folder), jobs)
        if average:
            file = file.with_stem(f"{name}-averaged")
            as_one = Results(file, {**settings, "averaged": len(seeds)}, ["seed"], f_of_parts)
            trained = [folder / f"seed{seed}" / "model-best" for seed in seeds]
            as_one.fill(
                [(" ".join(map(str, seeds)),)],
                lambda _: scored(ensemble(trained).nlp, CORPUS / row["dataset"]),
            )


def scores_table() -> str:
    """Make the table of F by data set and config."""
    rows: list[list[str]] = [["data", "config", "seeds", "dev F", "test F"]]
    once = []
    results = read_all("accuracy")
    for result in results:
        n_runs = len(result["runs"])
        scores = [tables.mean(result[key], n_runs) for key in ("dev_f", "test_f")]
        data = f"{result['dataset']}{tables.unrecorded([result])}"
        rows.append([data, trained_with(result), str(n_runs), *scores])
        if n_runs == 1 and "averaged" not in result:
            once.append(f"{result['config'] or STOCK} on {result['dataset']}")
    more = [f"One seed, so without a deviation: {', '.join(once)}."] if once else []
    return tables.markdown(*rows) + tables.measured(results, *more)


def trained_with(result: dict[str, Any]) -> str:
    """Write the config of a row, with what else its models were trained with."""
    found = dict(result["pretrained"])
    if not any(name in result["config_text"] for name in READERS_OF_VECTORS):
        found.pop("vectors", None)  # they were given, but no layer reads them
    overrides = result.get("overrides", {})
    depth = overrides.get("components.ner.model.depth", 1)
    parts = [result["config"] or f"{STOCK}, accuracy config", *found.values()]
    if "initialize.lookups" in overrides:
        parts.append("lookups")
    if depth != 1:
        parts.append(f"{depth} BiLSTM layers")
    if "calibrated_threshold" in result:
        parts.append("calibrated")
    if overrides:
        parts.append(f"{len(overrides)} setting{'s' * (len(overrides) > 1)} changed")
    if "averaged" in result:
        parts.append(f"{result['averaged']} seeds averaged")
    return ", ".join(parts)


def settings_table() -> str:
    """Make the table of the settings that differ from those of a row's config."""
    rows = [["data", "config", "settings that differ"]]
    for result in read_all("accuracy"):
        changed = [
            f"`{path} = {'...' if isinstance(value, dict) else json.dumps(value)}`"
            for path, value in result.get("overrides", {}).items()
        ]
        if "calibrated_threshold" in result:
            changed.append(f"after calibration `threshold = {result['calibrated_threshold']}`")
        if result["config"] and "averaged" not in result:
            rows.append([result["dataset"], result["config"], "<br>".join(changed)])
    return tables.markdown(*rows)


TABLES = {"accuracy": scores_table, "settings": settings_table}

if __name__ == "__main__":
    command.run(main)
