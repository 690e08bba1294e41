"""README and the pages of the docs: snippets run, tables and names are those of the code."""

import ast
import contextlib
import inspect
import io
import multiprocessing.spawn
import re
import shlex
import shutil
from importlib.metadata import metadata
from pathlib import Path

import pytest
import spacy
import srsly
import thinc.util
from spacy.cli._util import app
from spacy.errors import Errors, Warnings
from spacy.util import fix_random_seed, load_config, load_model_from_config
from thinc.api import Config
from typer.main import get_command

from benchmarks.tables import with_tables
from scripts import reference
from spacy_bilstm_crf.cli import bilstm_crf_cli
from spacy_bilstm_crf.inference.service.messages import (
    AnnotatedTexts,
    AnnotateRequest,
    AnnotateResponse,
)
from tests.helpers import ROOT, spacy_command

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf8") for path in PAGES}
each_page = pytest.mark.parametrize("page", TEXTS)
SHIPPED = ROOT / "configs" / "bilstm_crf.cfg"
PRETRAINED = ROOT / "configs" / "pretrained.cfg"
GAZETTEER = ROOT / "configs" / "gazetteer.cfg"
DOCUMENT_CONTEXT = ROOT / "configs" / "document_context.cfg"


def default_settings():
    """The component's block of the config where nothing is set."""
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner")
    return parsed(nlp.config.to_str())["components"]["bilstm_crf_ner"]


def snippets(page, language):
    return re.findall(rf"```{language}\n(.*?)```", TEXTS[page], re.DOTALL)


def pages_with(language):
    return [page for page in TEXTS if snippets(page, language)]


def run_snippets(page, folder):
    """Run the Python snippets of a page one after the other; returns the lines they print."""
    names, printed = {}, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(folder)
        for snippet in snippets(page, "python"):
            exec(compile(snippet, page, "exec"), names)
    return printed.getvalue().splitlines()


@pytest.fixture(scope="module")
def readme_run(tmp_path_factory):
    """The folder in which README's snippets made a pipeline, and what they printed."""
    folder = tmp_path_factory.mktemp("readme")
    fix_random_seed(0)  # the seed of each test comes after a fixture of the module
    return folder, run_snippets("README.md", folder)


def split_probabilities(lines):
    """Spans out of lines that end in their probability."""
    parts = [line.rsplit(" ", 1) for line in lines]
    assert all(0.0 < float(probability) <= 1.0 for _, probability in parts)
    return [span for span, _ in parts]


def test_readme_finds_what_it_was_trained_on(readme_run):
    assert split_probabilities(readme_run[1]) == ["London PLACE", "1833 DATE"]


@pytest.mark.parametrize("page", [page for page in pages_with("python") if page != "README.md"])
def test_python_snippets_run_one_after_the_other(page, readme_run, tmp_path):
    # The pipelines that a page may load: README's
    seeds = [f"training/seed{seed}/model-best" for seed in range(2)]
    for name in ("my_pipeline", "training/model-best", *seeds):
        shutil.copytree(readme_run[0] / "my_pipeline", tmp_path / name)
    other = spacy.load(tmp_path / seeds[1])
    for parameter in (
        other.get_pipe("ner").model.get_ref("output_layer").shims[0]._model.parameters()
    ):
        parameter.data *= 1.01  # as if it had been trained with another seed
    other.to_disk(tmp_path / seeds[1])
    nlp = spacy.load(tmp_path / "my_pipeline")
    nlp.get_pipe("ner").candidates_threshold = 0.2
    nlp.to_disk(tmp_path / "training" / "model-recall")
    for name, text in re.findall(r'```yaml title="(.*?)"\n(.*?)```', TEXTS[page], re.DOTALL):
        (tmp_path / name).write_text(text)
    printed = run_snippets(page, tmp_path)
    if page in PRINTED:
        PRINTED[page](printed, tmp_path)


def printed_by_getting_started(printed, _):
    assert printed[0] == "[('London', 'PLACE'), ('1833', 'DATE')]"
    assert split_probabilities(printed[1:3]) == ["London PLACE", "1833 DATE"]
    assert printed[3:] == ["(7, 13)", "U-PLACE"]


def printed_by_python(printed, folder):
    assert printed[-1].startswith("my_pipeline can't be shrunk")
    assert all((folder / name).exists() for name in ("report/report.html", "calibrated"))


def printed_by_deidentify(printed, _):
    assert printed[0].startswith("She met ") and printed[1].startswith("Nothing else")
    assert "Babbage" not in printed[0] and "London" not in printed[0]
    assert re.findall(r"\[(\w+)\]", printed[0]) == ["PERSON", "PLACE", "DATE"]


def printed_by_presidio(printed, _):
    assert [line.split()[0] for line in printed[:-1]] == ["PERSON", "PLACE"]
    assert printed[-1] == "<PERSON> lived in <PLACE>."


def printed_by_documents(printed, _):
    assert printed == ["(London, 1833, London)"]


def printed_by_word_lists(printed, _):
    assert printed == ["[('Paris', 'PLACE')]"]


def printed_by_probabilities(printed, _):
    shape = printed.index("(7, 13)")
    spans = split_probabilities(printed[: shape - 1])
    assert spans[:2] == ["London PLACE", "1833 DATE"]
    mean, deviation = map(float, printed[shape - 1].split())
    assert 0.0 < deviation < mean < 8.0
    assert "Charles Babbage PERSON" in spans[2:-3]  # candidates
    of_set = split_probabilities(printed[shape + 1 :])
    assert of_set and all(span.startswith("[") for span in [*spans[-3:], *of_set])


def printed_by_count(printed, folder):
    pattern = (
        r"(\w+): found ([\d,]+), expected ([\d,]+) ± (\d+) \(95 %: ([\d,]+) to ([\d,]+)\), "
        r"true ([\d,]+)"
    )
    (shown,) = snippets("docs/how-to/count.md", "text")
    for line, of_page in zip(printed, shown.splitlines(), strict=True):
        (label, *numbers), other = (
            re.fullmatch(pattern, each).groups() for each in (line, of_page)
        )
        found, mean, deviation, low, high, true = (int(each.replace(",", "")) for each in numbers)
        assert (label, true) == (other[0], int(other[-1].replace(",", "")))
        assert low < mean < high and 4 < deviation < 20
        assert 3 * abs(mean - true) < abs(found - true) > 100  # what the page is about
    assert (folder / "annotated" / "part-000000.parquet").exists()


PRINTED = {
    "docs/how-to/count.md": printed_by_count,
    "docs/tutorial/getting-started.md": printed_by_getting_started,
    "docs/how-to/python.md": printed_by_python,
    "docs/how-to/deidentify.md": printed_by_deidentify,
    "docs/how-to/presidio.md": printed_by_presidio,
    "docs/how-to/documents.md": printed_by_documents,
    "docs/how-to/word-lists.md": printed_by_word_lists,
    "docs/how-to/probabilities.md": printed_by_probabilities,
}


def test_vectors_side_by_side_are_read_by_spacy(tmp_path):
    names = {}
    exec(snippets("docs/how-to/pretrain.md", "python")[0], names)
    glove, own, both = (tmp_path / name for name in ("glove.txt", "own.vec", "both.txt"))
    glove.write_text("a 1 2\nb 3 4\n")
    own.write_text("2 2 \nb 5 6 \nc 7 8 \n")  # fastText ends lines with a blank
    names["side_by_side"](glove, own, both)
    spacy_command("init", "vectors", "en", both, tmp_path / "both")
    vocab = spacy.load(tmp_path / "both").vocab
    assert [vocab[word].vector.tolist() for word in "abc"] == [
        [1, 2, 0, 0],
        [3, 4, 5, 6],
        [0, 0, 7, 8],
    ]


def parsed(block):
    """A block of a config, which may lack the sections that it is in."""
    headers = re.findall(r"^\[(.+)\]", block, re.MULTILINE)
    parents = {name[: dot.start()] for name in headers for dot in re.finditer(r"\.", name)}
    missing = sorted(parents - set(headers))
    return Config().from_str("".join(f"[{name}]\n" for name in missing) + block)


@pytest.mark.parametrize("page", pages_with("ini"))
def test_config_blocks_are_those_of_a_config(page):
    for block in snippets(page, "ini"):
        given = parsed(block)
        known = load_config(SHIPPED)
        known["components"]["ner"]["entity_ratio"] = {"rate": 0, "margin": 0, "weight": 0}
        known["corpora"]["train"].update({"labelled": None, "temperature": 1.0})  # of soft labels
        known["components"]["ner"]["threshold"] = dict.fromkeys(("PERSON", "PLACE"), 0.5)
        lists = load_config(GAZETTEER)
        for section in ("components", "initialize"):
            known[section] = lists.merge(known)[section]
        pretrained = load_config(PRETRAINED)
        known["pretraining"] = pretrained["pretraining"]
        known["initialize"]["before_init"] = {"@callbacks": "", "labels": [], "component": ""}
        known["components"]["sentencizer"] = {"factory": "sentencizer"}
        sources = {"candidates": {"weight": 1.0}, "llm": {"weight": 1.0}}
        merger = {"factory": "entity_merger", "threshold": 0.5, "sources": sources}
        known["components"]["entity_merger"] = merger
        known["training"]["score_weights"]["sents_f"] = 0.0  # of the sentencizer
        logger = {"experiment_id": "", "run_name": "", "nested": False, "project_name": ""}
        known["training"]["logger"].update({**logger, "remove_config_values": []})  # spacy-loggers'
        known["corpora"]["train"]["augmenter"] = {"@augmenters": "", "level": 0.0}
        objective = {"maxout_pieces": 3, "hidden_size": 300, "n_characters": 4}  # spaCy's
        known["pretraining"]["objective"].update(objective)
        for config in (pretrained, load_config(DOCUMENT_CONTEXT)):
            tok2vec = config["components"]["ner"]["model"]["tok2vec"]
            known["components"]["ner"]["model"]["tok2vec"].update(tok2vec)
        unknown = [path for path in paths_of(given) if not has(known, path)]
        assert not unknown, f"{unknown} in {page}"
        merged = load_config(SHIPPED).merge(given)
        load_model_from_config(merged, auto_fill=True, validate=True)


def paths_of(config, before=()):
    for key, value in config.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from paths_of(value, (*before, key))


def has(config, path):
    for key in path:
        if not isinstance(config, dict) or key not in config:
            return False
        config = config[key]
    return True


def test_the_model_block_is_the_shipped_one_and_the_default():
    pasted = parsed(snippets("docs/how-to/train.md", "ini")[0])["components"]["ner"]
    shipped = load_config(SHIPPED)["components"]["ner"]
    # The shipped optimizer is not Adam, for which the default has another factor
    default = default_settings()["model"]
    assert {**default, "learn_rate_factor": 1.0} == shipped["model"] == pasted["model"]
    assert set(shipped) == set(default_settings())


def test_the_factory_page_has_all_defaults():
    (block,) = snippets("docs/reference/api/factory.md", "ini")
    pasted = parsed(block)["components"]["ner"]
    expected = {name: value for name, value in default_settings().items() if name != "model"}
    assert pasted == expected


def commands_of(page):
    """The words of each command of a page's shell snippets."""
    for snippet in snippets(page, "bash"):
        for line in snippet.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


@pytest.mark.parametrize("page", pages_with("bash"))
def test_shell_commands_are_there(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in commands_of(page):
        make_files(words)
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):  # an environment variable
            words = words[1:]
        check_command(words)


def make_files(words):
    """Make the files and folders that a command names, since typer looks for them."""
    for path in (Path(word) for word in words if re.fullmatch(r"[\w-][\w./-]*", word)):
        if path.suffix in {".cfg", ".json", ".jsonl", ".spacy"}:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif "/" in str(path):
            path.mkdir(parents=True, exist_ok=True)


def check_make(words):
    assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()


def check_pip_install(words):
    if words[2] == "-r":
        assert (ROOT / words[3]).is_file()
    for extra in re.findall(r"\[(\w+)\]", words[2]):
        assert extra in metadata("spacy-bilstm-crf").get_all("Provides-Extra")


def check_docker(words):
    for name in re.findall(r"--build-arg (\w+)=", " ".join(words)):
        assert f"\nARG {name}=" in (ROOT / "Dockerfile").read_text()


def check_curl(words):
    (model,) = (m for path, m in REQUESTS.items() if words[1].endswith(path))
    model.model_validate_json(words[words.index("--json") + 1])


REQUESTS = {"/annotate": AnnotateRequest, "/docbin": AnnotatedTexts}


def check_wheel(words):
    assert words[-1] == "."


def check_override(words):
    assert words[3:5] == ["--override", "without-torch.txt"]


def check_python(words):
    compile(words[2], "command", "exec")
    for package in re.findall(r"spacy\.load\(\W(\w+)", words[2]):
        facts = srsly.read_json(ROOT / "scripts" / "pipelines.json")
        assert package.removeprefix("en_bilstm_crf_") in {name.replace("-", "_") for name in facts}


def of_the_environment(words):
    """It is not ours."""


CHECKS = {
    ("python", "-m", "spacy"): lambda words: check_spacy_command(words[3:]),
    ("python", "-c"): check_python,
    ("make",): check_make,
    ("spark-submit",): lambda words: check_spacy_command(words[words.index("bilstm-crf") :]),
    ("pip", "install"): check_pip_install,
    ("pip", "wheel"): check_wheel,
    ("uv", "pip", "install"): check_override,
    ("docker",): check_docker,
    ("curl",): check_curl,
    ("conda",): of_the_environment,
    ("source",): of_the_environment,
    ("label-studio",): of_the_environment,
    ("python", "-m", "venv"): of_the_environment,
}


def check_command(words):
    found = [check for start, check in CHECKS.items() if tuple(words[: len(start)]) == start]
    assert found, f"Not checked: {words}"
    found[0](words)


def test_the_answer_of_the_service_is_one():
    (answer,) = snippets("docs/reference/service.md", "json")
    AnnotateResponse.model_validate_json(answer)


def check_spacy_command(words):
    spacy.util.registry.cli.get_all()
    if words[0] == "bilstm-crf":
        command = get_command(bilstm_crf_cli).commands[words[1]]
        command.make_context(words[1], words[2:])  # fails for unknown options
        return
    group = get_command(app)
    found = group.commands[words[0]]
    if hasattr(found, "commands"):
        found = found.commands[words[1]]
    known = {option for parameter in found.params for option in parameter.opts}
    for option in (word.split("=")[0] for word in words if word.startswith("--")):
        section = option.strip("-").split(".")[0]
        # Overrides of a config's section, or of the project's variables
        is_override = "." in option and section in {*load_config(SHIPPED), "vars"}
        assert option in known or is_override, option


@each_page
def test_the_tables_are_made_from_the_results(page):
    text = TEXTS[page]
    assert with_tables(text) == text
    assert text.count("<!-- table: ") == text.count("<!-- end -->")


def test_the_first_page_names_each_guide():
    guides = {path.name for path in (ROOT / "docs" / "how-to").glob("*.md")}
    assert guides == set(re.findall(r"\(how-to/([\w-]+\.md)", TEXTS["docs/index.md"]))


def test_the_readme_has_tables():
    assert TEXTS["README.md"].count("<!-- table: ") > 0
    assert len(TEXTS["README.md"].splitlines()) <= 140


@each_page
def test_what_is_named_is_there(page):
    text = TEXTS[page]
    project = (ROOT / "project.yml").read_text()
    for name in re.findall(r"--vars\.(\w+)", text):
        assert f"\n  {name}: " in project
    for target in re.findall(r"(?:`|^)make (\w+)", text, re.MULTILINE):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()
    for module in re.findall(r"python -m (benchmarks[\w.]*)", text):
        path = Path(ROOT, *module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for script in re.findall(r"(?:scripts|configs)/[\w]+\.\w+", text):
        assert (ROOT / script).exists(), script
    folders = "pipeline|decoding|inference/service|cli|fuzz|faults"
    for tests in re.findall(rf"`((?:{folders})/(?:test_\w+\.py)?)`", text):
        assert (ROOT / "tests" / tests).exists(), tests


@each_page
def test_links_work_in_the_repository_as_on_the_site(page):
    text = re.sub(r"```.*?```", "", TEXTS[page], flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent.joinpath(file) if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf8")), link


def anchors(text):
    """The anchors of a page's headings, named alike by GitHub and MkDocs."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_the_reference_is_what_make_reference_writes():
    assert [str(path.relative_to(ROOT)) for path, _ in reference.outdated()] == []


def test_every_public_name_is_in_the_reference_once():
    shown = []
    for kind, what in reference.parts():
        shown += reference.objects_of(kind, what)
        if kind == "modules":
            for module in reference.modules_of(what.split()[0]):
                shown += reference.contents(module)
    defined = [
        one
        for module in reference.modules_of(reference.PACKAGE)
        for one in reference.public_members(module)
    ]
    assert len(defined) > 200
    assert sorted(one.path for one in shown) == sorted(one.path for one in defined)


def texts_in(source):
    """The strings in Python source, those with values in them without the values."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield " ".join(part.value for part in node.values if is_text(part))
        elif is_text(node):
            yield node.value


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_the_messages_of_troubleshooting_are_there():
    sources = [path.read_text() for path in (ROOT / "spacy_bilstm_crf").rglob("*.py")]
    sources += [inspect.getsource(module) for module in (spacy.errors, thinc.util)]
    messages = [text for source in sources for text in texts_in(source)]
    pips = "No matching distribution found for spacy-bilstm-crf"
    messages += ["CUDA out of memory", pips, spawning()]
    headings = re.findall(r"^### `([^`]+)`$", TEXTS["docs/how-to/troubleshooting.md"], re.MULTILINE)
    for heading in headings:
        _, code, shown = re.match(r"(\[([EW]\d+)\] )?(.+)", heading).groups()
        known = messages
        if code:
            known = [getattr(Errors if code.startswith("E") else Warnings, code)]
        parts = re.split(r"\.\.\.|'\w+'", shown)
        assert any(all(part in text for part in parts) for text in known), heading
    assert len(headings) > 20


def spawning():
    """What Python says of a script that starts processes while it is imported."""
    return " ".join(inspect.getsource(multiprocessing.spawn._check_not_importing_main).split())


def test_every_command_has_its_options_in_the_docs():
    for name in get_command(bilstm_crf_cli).commands:
        assert f"<!-- options: {name} -->" in TEXTS["docs/reference/commands.md"]
