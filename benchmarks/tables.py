"""Put the benchmarks' results into the README and the documentation, as tables.

    python -m benchmarks.tables

Each table stands between two markers, with a line below it that says what it was measured on.
Results are the JSON files that the benchmarks wrote.
"""

import json
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.guarantee.run import N_CUTS
from benchmarks.trainings import summary

HERE = Path(__file__).parent
ROOT = HERE.parent
# What a config names where a layer of it reads the pipeline's vectors
READERS_OF_VECTORS = ("spacy-bilstm-crf.Char", "include_static_vectors = true", "StaticVectors")


def markdown(*rows: Sequence[str]) -> str:
    """A table. The first row is the head."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def measured(results: Iterable[dict[str, Any]], *more: str) -> str:
    """The line below a table: what its results were measured on, and what else is to be said.

    The processor is that of a result, or of each of its runs. Benchmarks that don't write down
    their threads have one for each training.
    """
    results = list(results)
    runs = [run for result in results for run in result.get("runs", [result])]
    processors = sorted({run.get("processor", "not recorded") for run in runs})
    threads = sorted({str(result.get("threads", 1)) for result in results})
    lines = [f"Processor: {', '.join(processors)}.", f"Torch threads: {', '.join(threads)}.", *more]
    return f"\n\n*{' '.join(lines)}*"


def read(path: str) -> dict[str, Any]:
    """A result, by its path below this folder."""
    return json.loads((HERE / path).read_text())


def every(benchmark: str) -> list[dict[str, Any]]:
    """All results of a benchmark, in the order of their names."""
    # Without their endings, so that a row comes before what was made of it
    paths = sorted((HERE / benchmark / "results").glob("*.json"), key=lambda path: path.stem)
    return [json.loads(path.read_text()) for path in paths]


def accuracy() -> str:
    """F of each row of the accuracy benchmark."""
    rows: list[list[str]] = [["data", "config", "seeds", "dev F", "test F"]]
    once = []
    results = every("accuracy")
    for result in results:
        n_runs = len(result["runs"])
        scores = [mean(result[key], n_runs) for key in ("dev_f", "test_f")]
        rows.append([result["dataset"], trained_with(result), str(n_runs), *scores])
        name = result["config"] or "spaCy's `ner`"
        is_one_seed = n_runs == 1 and "averaged" not in result
        once += [f"{name} on {result['dataset']}"] * is_one_seed
    note = f"One seed, so without a deviation: {', '.join(once)}." if once else ""
    return markdown(*rows) + measured(results, *filter(None, [note]))


def trained_with(result: dict[str, Any]) -> str:
    """The config of a row, with what it was trained on beside the data."""
    pretrained = dict(result["pretrained"])
    if not any(name in result["config_text"] for name in READERS_OF_VECTORS):
        pretrained.pop("vectors", None)  # they were given, but no layer reads them
    overrides = result.get("overrides", {})
    depth = overrides.get("components.ner.model.depth", 1)
    besides = ["lookups"] * ("initialize.lookups" in overrides)
    besides += [f"{depth} BiLSTM layers"] * (depth != 1)
    besides += ["calibrated"] * ("calibrated_threshold" in result)
    besides += [f"{result['averaged']} seeds averaged"] if "averaged" in result else []
    config = result["config"] or "spaCy's `ner`, accuracy config"
    return ", ".join([config, *pretrained.values(), *besides])


def settings() -> str:
    """Which settings of a row of the accuracy benchmark are not those of its config."""
    rows = [["data", "config", "settings that differ"]]
    for result in every("accuracy"):
        changed = [
            f"`{path} = {'...' if isinstance(value, dict) else json.dumps(value)}`"
            for path, value in result.get("overrides", {}).items()
        ]
        if "calibrated_threshold" in result:
            changed.append(f"after calibration `threshold = {result['calibrated_threshold']}`")
        if result["config"] and "averaged" not in result:
            rows.append([result["dataset"], result["config"], "<br>".join(changed)])
    return markdown(*rows)


def mean(found: dict[str, float], n_runs: int, digits: int = 1) -> str:
    """A mean with its standard deviation, where there is one."""
    deviation = f" ± {found['sd']:.{digits}f}" if n_runs > 1 else ""
    return f"{found['mean']:.{digits}f}{deviation}"


def by_cell(system: str) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Runs of a system of the data size benchmark, by data set and number of sentences."""
    path = HERE / "data_size" / "results" / f"{system}.json"
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in json.loads(path.read_text())["runs"] if path.exists() else []:
        cells.setdefault((run["dataset"], run["size"]), []).append(run)
    return cells


def sized(cell: tuple[str, int], runs: list[dict[str, Any]]) -> list[str]:
    """The first columns of a row: data set and sentences."""
    return [cell[0], f"{runs[0]['sentences']:,}" + ("" if cell[1] else ", all")]


def spread(runs: list[dict[str, Any]], key: str) -> str:
    """Mean and deviation of a score, and how many seeds there are if not three."""
    values = [run[key] for run in runs]
    seeds = "" if len(values) == 3 else f" ({len(values)} seed{'s' * (len(values) > 1)})"
    return mean(summary(values), len(values)) + seeds


def share_of_time(runs: list[dict[str, Any]], others: list[dict[str, Any]]) -> str:
    """Processor time of the runs, as a share of the others', in percent."""
    seconds, of_others = (statistics.mean(r["cpu_seconds"] for r in rs) for rs in (runs, others))
    return f"{100 * seconds / of_others:.0f} %"


def data_size() -> str:
    """What init-config writes against the stock ner, without vectors, by the amount of data."""
    rows = [["data", "sentences", "`ner`, dev F", "ours, dev F", "`ner`, test F", "ours, test F"]]
    rows[0].append("time, of `ner`'s")
    stock, shown = by_cell("ner"), []
    for cell, ours in sorted(by_cell("init-config").items(), key=order):
        if cell in stock:
            scores = [
                spread(runs, key) for key in ("dev_f", "test_f") for runs in (stock[cell], ours)
            ]
            rows.append([*sized(cell, ours), *scores, share_of_time(ours, stock[cell])])
            shown += [*ours, *stock[cell]]
    return markdown(*rows) + measured(shown)


def length() -> str:
    """What init-config's number of steps costs against 21,000, by the amount of data."""
    rows = [["data", "sentences", "steps", "dev F", "dev F, 21,000 steps", "time, of theirs"]]
    ours, shown = by_cell("init-config"), []
    for cell, longer in sorted(by_cell("steps-21000").items(), key=order):
        seeds = {run["seed"] for run in longer}
        runs = [run for run in ours[cell] if run["seed"] in seeds]
        scores = [spread(runs, "dev_f"), spread(longer, "dev_f")]
        steps = f"{runs[0]['steps']:,}"
        rows.append([*sized(cell, runs), steps, *scores, share_of_time(runs, longer)])
        shown += [*runs, *longer]
    return markdown(*rows) + measured(shown)


def order(item: tuple[tuple[str, int], Any]) -> tuple[str, float]:
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
    results = every("calibration")
    for result in results:
        for of_method in result["methods"]:
            numbers = [
                mean(of_method[key], of_method["n_seeds"], 1 if key == "f" else 3)
                if key in of_method
                else "-"
                for key in columns
            ]
            rows.append([result["dataset"], of_method["method"], *numbers])
    return markdown(*rows) + measured(results, "Without a deviation: one seed.")


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
    results = []
    for name, words in methods.items():
        path = HERE / "partial" / "results" / f"{name}.json"
        if path.exists():
            result = json.loads(path.read_text())
            results.append(result)
            numbers = [
                mean(
                    result["test_f"][share], sum(str(r["percent"]) == share for r in result["runs"])
                )
                if share in result["test_f"]
                else "-"
                for share in shares
            ]
            rows.append([words, *numbers])
    return markdown(*rows) + measured(results, "Without a deviation: one seed.")


def times(spread: dict[str, float], digits: int = 1) -> str:
    """How many times as fast, with its spread; a single round has none."""
    digits = digits if spread["median"] < 20 else 0
    numbers = [f"{spread[key]:,.{digits}f}" for key in ("median", "min", "max")]
    if spread["min"] == spread["max"]:
        return f"{numbers[0]} x (1 round)"
    return f"{numbers[0]} x ({numbers[1]} to {numbers[2]})"


def crf() -> str:
    """How many times as long other libraries' CRFs take as ours."""
    rows = [["sequences, steps, tags", "what", "pytorch-crf", "torch-struct"]]
    result = read("speed/results/crf.json")
    for row in result["rows"]:
        shape = ", ".join(f"{row[key]:,}" for key in ("batch", "steps", "tags"))
        peers = row["times_as_long"]
        if not peers:
            continue
        cells = [times(peers[name]) if name in peers else "-" for name in rows[0][2:]]
        rows.append([shape, row["what"], *cells])
    return markdown(*rows) + measured([result])


def tagger() -> str:
    """Words a second, and how many times as fast as the peers we are."""
    names = {
        "predict": "prediction, tokenised docs",
        "pipe": "`nlp.pipe` of texts",
        "train": "training",
    }
    rows: list[list[str]] = []
    results = [
        json.loads(path.read_text())
        for path in sorted((HERE / "speed" / "results").glob("tagger-*.json"))
    ]
    for result in results:
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
    flair = ", ".join(sorted({result["flair"] for result in results}))
    return markdown(*rows) + measured(results, f"Flair {flair}.")


def scale() -> str:
    """Time and memory of prediction by size."""
    result = read("speed/results/scale.json")
    rows = [["docs", "tokens in all", "labels", "words a second", "memory, MB"]]
    for part in ("by_doc_length", "by_batch", "by_labels"):
        for row in result[part]:
            numbers = [row[key] for key in ("docs", "tokens", "labels")]
            numbers += [round(row["words_a_second"], -2), row["peak_mb"]]
            rows.append([f"{number:,.0f}" for number in numbers])
    return markdown(*rows) + measured([result], growth(result))


def guarantee() -> str:
    """What is promised of candidates, what is missed, and what it costs."""
    head = ["documents with entities", "promised: missed at most", "missed", "refused"]
    rows = [["data", *head, "missed where not refused", "candidates each"]]
    results = every("guarantee")
    for result in results:
        for part in ("dev", "test"):
            n_docs = f"{result[part]['docs_with_entities']:,}"
            for row in result[part]["rows"]:
                promised = f"{100 * (1 - row['recall']):.0f} %"
                refused = row["refused"] / N_CUTS
                missed, of_promised, each = "0.0 %", "-", "-"
                if "missed" in row:
                    of_promised = f"{100 * row['missed']['mean']:.1f} %"
                    missed = f"{100 * row['missed']['mean'] * (1 - refused):.1f} %"
                    each = f"{row['candidates']['mean']:.1f} ± {row['candidates']['stdev']:.1f}"
                cells = [f"{result['dataset']}, {part}", n_docs, promised, missed]
                rows.append([*cells, f"{100 * refused:.0f} %", of_promised, each])
    return markdown(*rows) + measured(results, f"Means of {N_CUTS} cuts.")


def audit() -> str:
    """How well suspicion ranks what was changed."""
    rows = [["data", "seeds", "ranked by", "precision, %", "AUROC"]]
    results = every("audit")
    for result in results:
        n_runs = len(result["runs"])
        for system, name in (("ours", "`audit`"), ("cleanlab", "cleanlab")):
            precision, auroc = (result[system][key] for key in ("precision", "auroc"))
            rows.append(
                [
                    *(result["dataset"], str(n_runs), name),
                    mean({key: 100 * value for key, value in precision.items()}, n_runs),
                    f"{auroc['mean']:.4f}",
                ]
            )
    return markdown(*rows) + measured(results)


def tune() -> str:
    """The shipped config beside the one that a search found, and how long the search took."""
    result = read("tune/results/tune.json")
    rows = [["data", "config", "dev F", "test F", "search, hours", "training, hours"]]
    for cell, found in result["summary"].items():
        dataset, system = cell.split()
        runs = [
            run for run in result["runs"] if (run["dataset"], run["system"]) == (dataset, system)
        ]
        scores = [mean(found[part], len(runs)) for part in ("dev", "test")]
        hours = statistics.mean(run["cpu_hours"] for run in runs)
        searched = f"{runs[0]['search_hours']:.1f}" if system == "tuned" else "-"
        rows.append([dataset, system, *scores, searched, f"{hours:.2f}"])
    note = f"{result['n_trials']} trials of {result['steps']:,} steps at most, one after the other."
    return markdown(*rows) + measured(result["runs"], note)


def selection() -> str:
    """Test F by the share of sentences that are annotated, and how they were chosen."""
    names = {
        "random": "random",
        "entropy": "`entropy`",
        "margin": "`margin`",
        "diverse": "`diverse`",
    }
    results = every("selection")
    shares = sorted({cell["share"] for result in results for cell in result["summary"]})
    rows = [["data", "", "chosen by", *(f"{share} %" for share in shares)]]
    for result in results:
        for part in ("dev F", "test F", "thousand words"):
            for strategy, name in names.items():
                cells = {
                    cell["share"]: _of_cell(cell, part)
                    for cell in result["summary"]
                    if cell["strategy"] == strategy
                }
                if cells:
                    scores = [cells.get(share, "-") for share in shares]
                    rows.append([result["dataset"], part, name, *scores])
    return markdown(*rows) + measured(results, "Without a deviation: one seed.")


def _of_cell(cell: dict[str, Any], part: str) -> str:
    """What is to be said of the runs of a strategy with a share of the sentences."""
    if part == "thousand words":
        return f"{cell['words']['mean'] / 1000:.0f}"
    return mean(cell[f"{part.split()[0]}_f"], cell["n_seeds"])


def lists() -> str:
    """What word lists bring on german-ler, beside the stock `ner` and the lists alone."""
    rows = [["sentences", "system", "dev F", "test F"]]
    names = {
        "ner": "spaCy's `ner`, efficiency config",
        "init-config": "ours",
        "lists-0": "ours with the lists, `span_dropout = 0`",
        "lists": "ours with the lists",
    }
    shown: list[dict[str, Any]] = []
    for size in (1000, 0):
        for system, name in names.items():
            runs = by_cell(system).get(("german-ler", size), [])
            if runs:
                shown += runs
                scores = [spread(runs, part) for part in ("dev_f", "test_f")]
                rows.append([sized(("german-ler", size), runs)[1], name, *scores])
    alone = read("gazetteer/results/german-ler.json")
    rows.append(["-", "the lists alone", *(f"{alone[part]['f']:.1f}" for part in ("dev", "test"))])
    return markdown(*rows) + measured(shown)


def summarised(benchmark: str, *columns: str) -> list[list[str]]:
    """Rows out of the summaries of a benchmark: data, columns, number of seeds, dev and test F."""
    return [
        [
            result["dataset"],
            *(str(row[column]) for column in columns),
            str(row["n_seeds"]),
            *(mean(row[part], row["n_seeds"]) for part in ("dev_f", "test_f")),
        ]
        for result in every(benchmark)
        for row in result["summary"]
    ]


def merging() -> str:
    """Two recognizers merged, against one, and the mean of several."""
    head = ["data", "recognizers", "seeds", "dev F", "test F"]
    return markdown(head, *summarised("merging", "what")) + measured(every("merging"))


def documents() -> str:
    """The same data as documents and as sentences."""
    head = ["data", "trained on", "predicted", "seeds", "dev F", "test F"]
    every_row = summarised("documents", "system", "trained", "predicted")
    rows = [[data, *row] for data, system, *row in every_row if system == "BiLSTM"]
    return markdown(head, *rows) + measured(every("documents"))


def document_context() -> str:
    """What a model gets from the document, predicting what it was trained on."""
    head = ["data", "trained on and predicted", "network", "seeds", "dev F", "test F"]
    every_row = summarised("documents", "trained", "system", "predicted")
    rows = [
        [data, trained, system, *scores]
        for data, trained, system, predicted, *scores in every_row
        if predicted == trained
    ]
    return markdown(head, *rows) + measured(every("documents"))


def distill() -> str:
    """What a student learns of a teacher, and how much of its lead that is."""
    head = ["data", "steps", "trained on", "seeds", "dev F", "test F", "of the teacher's lead"]
    names = {
        "a tenth": "a tenth",
        "teacher": "all labels: the teacher",
        "transformer": "all labels: a transformer",
        "distribution of the transformer": "a tenth, and the transformer's distribution",
    }
    results, rows, speeds = every("distill"), [], []
    steps = {result["dataset"]: f"{result['steps']:,}" for result in results}
    shares = [row.get("share") for result in results for row in result["summary"]]
    for (data, what, *scores), share in zip(summarised("distill", "what"), shares):
        name = names.get(what, f"a tenth, and the teacher's {what}")
        rows.append([data, steps[data], name, *scores, "" if share is None else f"{share:.0f} %"])
    for run in (run for result in results for run in result["runs"]):
        if "words_a_second" in run:
            speed = run["words_a_second"]
            speeds.append(
                f"Words a second: the transformer {speed['transformer']:,}, its student "
                f"{speed['student']:,}, {speed['times']['median']:.0f} times as many."
            )
    return markdown(head, *rows) + measured(results, *speeds)


def pretraining() -> str:
    """What pre-training on raw text is worth."""
    head = ["labels", "begun with", "seeds", "dev F", "test F"]
    rows = [
        [f"{share} %", *others] for _, share, *others in summarised("pretraining", "share", "begun")
    ]
    return markdown(head, *rows) + measured(every("pretraining"))


def latency() -> str:
    """How long one text takes, and what share of its peers' time that is."""
    result = read("speed/results/latency.json")
    systems = list(result["rows"][0]["p50"])
    rows = [["words", *(f"{name}, p50 / p99, ms" for name in systems)]]
    rows[0] += [f"ours takes, of {name}" for name in systems[1:]]
    for row in result["rows"]:
        cells = [f"{row['p50'][name]:.1f} / {row['p99'][name]:.1f}" for name in systems]
        shares = [times(row["ours_takes_of_its_time"][name], digits=2) for name in systems[1:]]
        rows.append([f"{row['words']}", *cells, *shares])
    return markdown(*rows) + measured([result])


def cores() -> str:
    """What a second core brings."""
    result = read("speed/results/cores.json")
    what = {"pipe": "`nlp.pipe`, many texts", "text": "`nlp(text)`", "train": "training"}
    rows = [["what", "how", "times as fast as one thread"]]
    for row in result["rows"]:
        if row["way"] != "1 thread":
            rows.append([what[row["what"]], row["way"], times(row["times_as_fast"])])
    processor, _ = measured([result]).split(" Torch threads")
    return markdown(*rows) + f"{processor} {result['texts']:,} texts, two cores.*"


def shrink() -> str:
    """Size, F and time to load of a pipeline by the number of its vectors."""
    result = read("shrink/results/shrink.json")
    rows = [["vectors", "numbers", "wheel, MB", "dev F", "test F", "loads in"]]
    for row in result["rows"]:
        numbers = [f"{row[key]:.1f}" for key in ("wheel_mb", "dev_f", "test_f")]
        loading = f"{100 * row['loading']['median']:.0f} %"
        rows.append([f"{row['vectors']:,}", row["dtype"], *numbers, loading])
    return markdown(*rows) + measured([result], f"Data: {result['dataset']}, one seed.")


def bulk() -> str:
    """Words a second of `annotate` and its peers."""
    result = read("bulk/results/bulk.json")
    rows = [["system", "words a second", "against the plain loop", "start, seconds"]]
    for row in result["rows"]:
        words = f"{round(row['words_a_second']['median'], -2):,.0f}"
        ratio = times(row["times_as_fast_as_the_loop"]) if row is not result["rows"][0] else ""
        rows.append([row["system"], words, ratio, f"{row['start_seconds']['median']:.0f}"])
    note = f"{result['texts']:,} texts, {result['words']:,} words, {result['rounds']} rounds."
    return markdown(*rows) + measured([result], note)


def serving() -> str:
    """Latency and requests a second of the service, by the number of clients."""
    result = read("serving/results/serving.json")
    rows = [["clients", "service", "p50, ms", "p99, ms", "requests a second", "ours is"]]
    for row in result["rows"]:
        numbers = [f"{row[key]['median']:.1f}" for key in ("p50", "p99")]
        numbers.append(f"{row['requests_a_second']['median']:,.0f}")
        ratio = "" if row["system"] == "ours" else times(row["ours_is_times_as_fast"])
        rows.append([f"{row['clients']}", row["system"], *numbers, ratio])
    memory = result["memory_mb"]
    grown = memory["more"] - memory["first"]
    return markdown(*rows) + measured(
        [result],
        f"{result['rounds']} rounds of {result['seconds']:g} seconds each.",
        f"A text has {result['words_a_text']} words.",
        f"Memory: {memory['first']:,.0f} MB after the first requests, {grown:+,.0f} MB after "
        f"{memory['requests']:,} more.",
    )


def many_labels() -> str:
    """The same beside the stock `ner`."""
    result = read("speed/results/scale.json")
    rows = [["labels", "docs", "memory, MB", "the stock `ner`'s", "the stock `ner` takes"]]
    for row in result["many_labels"]:
        numbers = [row[key] for key in ("labels", "docs", "peak_mb", "stock_peak_mb")]
        ratio = times(row["stock_takes_times_as_long"])
        rows.append([*(f"{number:,.0f}" for number in numbers), ratio])
    return markdown(*rows) + measured([result])


def growth(result: dict[str, Any]) -> str:
    """What each further token of a long document costs, from the last two lengths measured."""
    shorter, longest = result["by_doc_length"][-2:]
    megabytes = longest["peak_mb"] - shorter["peak_mb"]
    a_token = 1e6 * megabytes / (longest["tokens"] - shorter["tokens"])
    lengths = f"From {shorter['tokens']:,} to {longest['tokens']:,} tokens"
    return f"{lengths} of one document, each further token takes {a_token:.0f} bytes."


def profile() -> str:
    """Where the time goes, in percent."""
    result = read("speed/results/profile.json")
    percent = result["percent"]
    training, prediction = (percent[what] for what in ("training", "prediction"))
    rows = [["part", "training, %", "prediction, %"]]
    for part in {**training, **prediction}:
        shares = [part_of.get(part, {"median": 0.0}) for part_of in (training, prediction)]
        rows.append([part, *(f"{share['median']:.1f}" for share in shares)])
    return markdown(*rows) + measured([result], f"Data: {result['dataset']}.")


TABLES = {
    "accuracy": accuracy,
    "settings": settings,
    "data_size": data_size,
    "length": length,
    "calibration": calibration,
    "partial": partial,
    "crf": crf,
    "tagger": tagger,
    "scale": scale,
    "many_labels": many_labels,
    "guarantee": guarantee,
    "audit": audit,
    "tune": tune,
    "selection": selection,
    "latency": latency,
    "lists": lists,
    "merging": merging,
    "documents": documents,
    "document_context": document_context,
    "distill": distill,
    "pretraining": pretraining,
    "cores": cores,
    "shrink": shrink,
    "bulk": bulk,
    "serving": serving,
    "profile": profile,
}


def pages() -> list[Path]:
    """The README and the pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def with_tables(page: str) -> str:
    """A page with each table that it has markers for made anew."""

    def replaced(found: "re.Match[str]") -> str:
        return f"{found['begin']}\n{TABLES[found['name']]()}\n{found['end']}"

    pattern = r"(?P<begin><!-- table: (?P<name>\w+) .*?-->).*?(?P<end><!-- end -->)"
    return re.sub(pattern, replaced, page, flags=re.DOTALL)


if __name__ == "__main__":
    for path in pages():
        path.write_text(with_tables(path.read_text(encoding="utf8")), encoding="utf8")
