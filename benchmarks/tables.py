"""Put the benchmarks' results into the README, as tables.

    python benchmarks/tables.py

Each table stands between two markers; results are the JSON files that the benchmarks wrote.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def markdown(*rows: Sequence[str]) -> str:
    """A table. The first row is the head."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def read(path: str) -> Dict[str, Any]:
    """A result, by its path below this folder."""
    return json.loads((HERE / path).read_text())


def accuracy() -> str:
    """F of each row of the accuracy benchmark."""
    rows: List[List[str]] = [["data", "config", "seeds", "dev F", "test F"]]
    for path in sorted((HERE / "accuracy" / "results").glob("*.json")):
        result = json.loads(path.read_text())
        config = result["config"] or "spaCy's `ner`, accuracy config"
        looked_up = "initialize.lookups" in result.get("overrides", {})
        besides = ["lookups"] * looked_up + ["calibrated"] * ("calibrated_threshold" in result)
        config = ", ".join([config, *result["pretrained"].values(), *besides])
        n_runs = len(result["runs"])
        scores = [mean(result[key], n_runs) for key in ("dev_f", "test_f")]
        rows.append([result["dataset"], config, str(n_runs), *scores])
    return markdown(*rows)


def mean(summary: Dict[str, float], n_runs: int, digits: int = 1) -> str:
    """A mean with its standard deviation, where there is one."""
    deviation = f" ± {summary['sd']:.{digits}f}" if n_runs > 1 else ""
    return f"{summary['mean']:.{digits}f}{deviation}"


def by_cell(system: str) -> Dict[Tuple[str, int], List[Dict[str, Any]]]:
    """Runs of a system of the data size benchmark, by data set and number of sentences."""
    path = HERE / "data_size" / "results" / f"{system}.json"
    cells: Dict[Tuple[str, int], List[Dict[str, Any]]] = {}
    for run in json.loads(path.read_text())["runs"] if path.exists() else []:
        cells.setdefault((run["dataset"], run["size"]), []).append(run)
    return cells


def sized(cell: Tuple[str, int], runs: List[Dict[str, Any]]) -> List[str]:
    """The first columns of a row: data set and sentences."""
    return [cell[0], f"{runs[0]['sentences']:,}" + ("" if cell[1] else ", all")]


def spread(runs: List[Dict[str, Any]], key: str) -> str:
    """Mean and deviation of a score, and how many seeds there are if not three."""
    values = [run[key] for run in runs]
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    summary = {"mean": statistics.mean(values), "sd": deviation}
    seeds = "" if len(values) == 3 else f" ({len(values)} seed{'s' * (len(values) > 1)})"
    return mean(summary, len(values)) + seeds


def share_of_time(runs: List[Dict[str, Any]], others: List[Dict[str, Any]]) -> str:
    """Processor time of the runs, as a share of the others', in percent."""
    seconds, of_others = (statistics.mean(r["cpu_seconds"] for r in rs) for rs in (runs, others))
    return f"{100 * seconds / of_others:.0f} %"


def data_size() -> str:
    """What init-config writes against the stock ner, without vectors, by the amount of data."""
    rows = [["data", "sentences", "`ner`, dev F", "ours, dev F", "`ner`, test F", "ours, test F"]]
    rows[0].append("time, of `ner`'s")
    stock = by_cell("ner")
    for cell, ours in sorted(by_cell("init-config").items(), key=order):
        if cell in stock:
            scores = [
                spread(runs, key) for key in ("dev_f", "test_f") for runs in (stock[cell], ours)
            ]
            rows.append([*sized(cell, ours), *scores, share_of_time(ours, stock[cell])])
    return markdown(*rows)


def length() -> str:
    """What init-config's number of steps costs against 21,000, by the amount of data."""
    rows = [["data", "sentences", "steps", "dev F", "dev F, 21,000 steps", "time, of theirs"]]
    ours = by_cell("init-config")
    for cell, longer in sorted(by_cell("steps-21000").items(), key=order):
        seeds = {run["seed"] for run in longer}
        runs = [run for run in ours[cell] if run["seed"] in seeds]
        scores = [spread(runs, "dev_f"), spread(longer, "dev_f")]
        steps = f"{runs[0]['steps']:,}"
        rows.append([*sized(cell, runs), steps, *scores, share_of_time(runs, longer)])
    return markdown(*rows)


def order(item: Tuple[Tuple[str, int], Any]) -> Tuple[str, float]:
    """Rows by data set, the whole of each last."""
    (dataset, size), _ = item
    return dataset, size or float("inf")


def calibration() -> str:
    """How well scores hold, and rank right entities above wrong ones, by method."""
    columns = {
        "f": "F",
        "auroc": "AUROC",
        "ece_entities": "ECE of entities",
        "ece_entities_by_chance": "by chance",
        "ece_candidates": "ECE of candidates",
        "ece_candidates_by_chance": "by chance",
    }
    rows = [["data", "score", *columns.values()]]
    for path in sorted((HERE / "calibration" / "results").glob("*.json")):
        result = json.loads(path.read_text())
        for of_method in result["methods"]:
            numbers = [
                mean(of_method[key], of_method["n_seeds"], 1 if key == "f" else 3)
                if key in of_method
                else "-"
                for key in columns
            ]
            rows.append([result["dataset"], of_method["method"], *numbers])
    return markdown(*rows)


def partial() -> str:
    """F by how many entities are not annotated, and what is made of them."""
    shares = ("20", "50", "80")
    rows = [["of the unannotated entities", *(f"{share} % unannotated" for share in shares)]]
    methods = {
        "outside": "they count as no entities",
        "missing": "their tokens are missing",
        "rate": "all tokens but those of known entities are missing, `entity_ratio`",
        "ner-missing": "stock `ner`, their tokens are missing",
    }
    for name, words in methods.items():
        path = HERE / "partial" / "results" / f"{name}.json"
        if path.exists():
            result = json.loads(path.read_text())
            numbers = [
                mean(
                    result["test_f"][share], sum(str(r["percent"]) == share for r in result["runs"])
                )
                if share in result["test_f"]
                else "-"
                for share in shares
            ]
            rows.append([words, *numbers])
    return markdown(*rows)


def times(spread: Dict[str, float]) -> str:
    """How many times as fast, with its spread."""
    digits = 1 if spread["median"] < 20 else 0
    numbers = [f"{spread[key]:,.{digits}f}" for key in ("median", "min", "max")]
    return f"{numbers[0]} x ({numbers[1]} to {numbers[2]})"


def crf() -> str:
    """How many times as long other libraries' CRFs take as ours."""
    rows = [["sequences, steps, tags", "what", "pytorch-crf", "torch-struct"]]
    for row in read("speed/results/crf.json")["rows"]:
        shape = ", ".join(f"{row[key]:,}" for key in ("batch", "steps", "tags"))
        peers = row["times_as_long"]
        if not peers:
            continue
        cells = [times(peers[name]) if name in peers else "-" for name in rows[0][2:]]
        rows.append([shape, row["what"], *cells])
    return markdown(*rows)


def tagger() -> str:
    """Words a second, and how many times as fast as the peers we are."""
    names = {
        "predict": "prediction, tokenised docs",
        "pipe": "`nlp.pipe` of texts",
        "train": "training",
    }
    rows: List[List[str]] = []
    for path in sorted((HERE / "speed" / "results").glob("tagger-*.json")):
        result = json.loads(path.read_text())
        data = result["dataset"] + (" on a GPU" if result["device"] != "cpu" else "")
        for row in result["rows"]:
            peers = list(row["times_as_fast"])
            if not rows:
                rows.append(
                    ["data", "what", "words a second", *(f"against {name}" for name in peers)]
                )
            ours = next(iter(row["words_a_second"].values()))
            cells = [times(row["times_as_fast"][name]) for name in peers]
            rows.append([data, names[row["what"]], f"{round(ours, -2):,.0f}", *cells])
    return markdown(*rows)


def scale() -> str:
    """Time and memory of prediction by size."""
    result = read("speed/results/scale.json")
    rows = [["docs", "tokens in all", "labels", "words a second", "memory, MB"]]
    for part in ("by_doc_length", "by_batch", "by_labels"):
        for row in result[part]:
            numbers = [row[key] for key in ("docs", "tokens", "labels")]
            numbers += [round(row["words_a_second"], -2), row["peak_mb"]]
            rows.append([f"{number:,.0f}" for number in numbers])
    return markdown(*rows)


def profile() -> str:
    """Where the time goes, in percent."""
    percent = read("speed/results/profile.json")["percent"]
    training, prediction = (percent[what] for what in ("training", "prediction"))
    rows = [["part", "training, %", "prediction, %"]]
    for part in {**training, **prediction}:
        shares = [part_of.get(part, {"median": 0.0}) for part_of in (training, prediction)]
        rows.append([part, *(f"{share['median']:.1f}" for share in shares)])
    return markdown(*rows)


TABLES = {
    "accuracy": accuracy,
    "data_size": data_size,
    "length": length,
    "calibration": calibration,
    "partial": partial,
    "crf": crf,
    "tagger": tagger,
    "scale": scale,
    "profile": profile,
}


def with_tables(readme: str) -> str:
    """The README with each table that it has markers for made anew."""

    def replaced(found: "re.Match[str]") -> str:
        return f"{found['begin']}\n{TABLES[found['name']]()}\n{found['end']}"

    pattern = r"(?P<begin><!-- table: (?P<name>\w+) .*?-->).*?(?P<end><!-- end -->)"
    return re.sub(pattern, replaced, readme, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf8")), encoding="utf8")
