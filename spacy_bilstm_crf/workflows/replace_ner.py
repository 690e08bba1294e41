"""Change the stock `ner` of a training config into this package's component."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from thinc.api import Config

from ..common.config_names import config_text
from ..common.errors import UserError
from ..common.files import reported_os_errors, write_whole
from ..pipeline.factory import STOCK_MODEL
from ..training.configs import refused
from .init_config.recipe import settings_above_transformer

STOCK = ("ner", "beam_ner")
OURS = "bilstm_crf_ner"
STOCK_LISTENER = "spacy.Tok2VecListener."
SECTION_HEADER = re.compile(r"(?:^[#;].*\n)*^\[(?P<name>.+)\]", re.MULTILINE)
# Lists of components in a config
LISTS = (
    ("nlp", "pipeline"),
    ("nlp", "disabled"),
    ("training", "frozen_components"),
    ("training", "annotating_components"),
)


class ReplacedNER(NamedTuple):
    """A training config with this package's component in place of the stock `ner`.

    Attributes:
        text: The config. Sections that did not change are as they were, with their comments.
        components: Names of the components that were replaced.
        removed: Names of the components that were removed, since no others listen to them.
    """

    text: str
    components: list[str]
    removed: list[str]

    def to_disk(self, path: str | Path) -> None:
        """Write the config to a file."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), self.text)


def replace_ner(config: str | Path, *, components: Sequence[str] | None = None) -> ReplacedNER:
    """Put a `bilstm_crf_ner` in place of each `ner` or `beam_ner` of a training config.

    The default model takes the place of the stock one, and its default embedding that of a listener
    to a shared tok2vec. The tok2vec goes if nothing else listens to it. A listener to a transformer
    stays, as the new model's `tok2vec`. The settings `incorrect_spans_key` and `scorer` are kept,
    and so is all else.

    Args:
        config: The config file. In place of `factory = "ner"` it may say `bilstm_crf_ner` already,
            above the settings of `ner`.
        components: Names of the components to replace. Default: all.

    Returns:
        The config, and what was done.

    Raises:
        UserError: If there is nothing to replace, or it can't be replaced.
    """
    path = Path(config)
    with reported_os_errors(path):
        text = path.read_text(encoding="utf8")
    with refused(f"spaCy can't read the config {path}"):
        old = Config().from_str(text, interpolate=False)
        old.interpolate()
    names = _names(old.get("components", {}), components, path)
    new = old.copy()
    for name in names:
        new["components"][name] = _replacement(old["components"][name])
    removed = _orphans(old, new)
    for name in removed:
        _remove(new, name)
    return ReplacedNER(_edited(text, new, names, removed), names, removed)


def _names(blocks: dict[str, Any], wanted: Sequence[str] | None, path: Path) -> list[str]:
    """Return the names of the components to replace."""
    stock = [name for name, block in blocks.items() if _is_stock(name, block)]
    known = ", ".join(stock) or f"none, only {', '.join(blocks) or 'an empty pipeline'}"
    names = stock if wanted is None else list(dict.fromkeys(wanted))
    missing = [name for name in names if name not in stock]
    if missing or not names:
        called = f" called {missing[0]!r}" if missing else ""
        raise UserError(f"{path} has no ner or beam_ner{called} to replace. It has {known}.")
    for name in names:
        if "source" in blocks[name]:
            raise UserError(
                f"[components.{name}] takes a trained ner from {blocks[name]['source']}, whose "
                f'weights no other model can use. To train a new one, write factory = "ner" as '
                f"the only line of the section, and run replace-ner again."
            )
    return names


def _is_stock(name: str, block: dict[str, Any]) -> bool:
    if "source" in block:
        return block.get("component", name) in STOCK
    # The factory may have been changed by hand, above sections that stayed
    has_stock_model = _architecture(block.get("model", {})).startswith(STOCK_MODEL)
    return block.get("factory") in STOCK or (block.get("factory") == OURS and has_stock_model)


def _replacement(old: dict[str, Any]) -> dict[str, Any]:
    """Return the block that takes the place of a stock one."""
    nlp = spacy.blank("xx")
    nlp.add_pipe(OURS)
    new = nlp.config.interpolate()["components"][OURS]  # as a file has it: lists, not tuples
    kept = {name: old[name] for name in new if name in old and name not in ("factory", "model")}
    model = dict(new["model"])
    tok2vec = old.get("model", {}).get("tok2vec", {})
    listener = _architecture(tok2vec)
    if "Listener" in listener and not listener.startswith(STOCK_LISTENER):  # to a transformer
        model.update(settings_above_transformer(), tok2vec=tok2vec)
    return {**new, **kept, "model": model}


def _orphans(old: Config, new: Config) -> list[str]:
    """Return the names of the components that were listened to before and are no more."""
    before, after = old["components"], new["components"]
    found = [
        name
        for name, block in after.items()
        if _is_tok2vec(name, block) and _is_heard(name, before) and not _is_heard(name, after)
    ]
    pretrained = new.get("pretraining", {}).get("component")
    if pretrained in found:
        raise UserError(
            f"[pretraining] is for {pretrained!r}, which only the replaced component listens to. "
            f"Remove that section; docs/how-to/pretrain.md has one for the new component."
        )
    return found


def _is_tok2vec(name: str, block: dict[str, Any]) -> bool:
    what = block.get("component", name) if "source" in block else block.get("factory")
    return what == "tok2vec"


def _is_heard(name: str, blocks: dict[str, Any]) -> bool:
    """Tell whether a component may have a listener among the others."""
    others = [block for other, block in blocks.items() if other != name]
    # What a sourced component listens to is in the config of its own pipeline
    unknown = any("source" in each and "replace_listeners" not in each for each in others)
    return unknown or any(_listens(each, name) for each in others)


def _listens(block: Any, name: str) -> bool:
    """Tell whether a block, or one below it, listens to a tok2vec."""
    if not isinstance(block, dict):
        return False
    if _architecture(block).startswith(STOCK_LISTENER):
        return block.get("upstream", "*") in ("*", name)
    return any(_listens(value, name) for value in block.values())


def _architecture(block: dict[str, Any]) -> str:
    return block.get("@architectures", "")


def _remove(config: Config, name: str) -> None:
    """Remove a component, and what else the config says of it."""
    del config["components"][name]
    config.get("initialize", {}).get("components", {}).pop(name, None)
    for section, key in LISTS:
        names = config.get(section, {}).get(key)
        if isinstance(names, list):
            config[section][key] = [each for each in names if each != name]


def _edited(text: str, config: Config, replaced: Sequence[str], removed: Sequence[str]) -> str:
    """Return the text of a config with some components replaced or removed, and all else as it was.

    Args:
        text: The old text.
        config: The new config.
        replaced: Names of the replaced components.
        removed: Names of the removed ones.
    """
    new = list(_sections(config_text(config) + "\n\n"))
    gone = [f"components.{name}" for name in (*replaced, *removed)]
    gone += [f"initialize.components.{name}" for name in removed]
    parts = []
    for name, section in _sections(text):
        if name in gone[: len(replaced)]:
            parts += [each for other, each in new if _is_within(other, name)]
        elif not any(_is_within(name, root) for root in gone):
            _check_references(name, section, gone)
            parts.append(_with_lists(name, section, config) if removed else section)
    edited = "".join(parts).rstrip("\n") + "\n"
    if Config().from_str(edited, interpolate=False) != config:
        raise UserError(
            "The config is written in a way that replace-ner can't edit. Run `python -m spacy init "
            "fill-config` on it, and replace-ner on the result."
        )
    return edited


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each section, with the comment right above its header."""
    headers = list(SECTION_HEADER.finditer(text))
    if headers:
        yield "", text[: headers[0].start()]
    ends = [header.start() for header in headers[1:]] + [len(text)]
    for header, end in zip(headers, ends):
        yield header["name"], text[header.start() : end]


def _is_within(section: str, root: str) -> bool:
    return section == root or section.startswith(f"{root}.")


def _check_references(name: str, section: str, gone: Sequence[str]) -> None:
    """Check that a section does not take values from those that are replaced or removed.

    Raises:
        UserError: Naming the first value that it takes.
    """
    for reference in re.findall(r"\$\{([^}]+)\}", section):
        if any(_is_within(reference.replace(":", "."), root) for root in gone):
            raise UserError(
                f"[{name}] takes ${{{reference}}} from a component that replace-ner replaces or "
                f"removes. Write the value there."
            )


def _with_lists(name: str, section: str, config: Config) -> str:
    """Return the text of a section with the lists of components that the config has."""
    for of_section, key in LISTS:
        if name == of_section and isinstance(config[name].get(key), list):
            setting = f"{key} = {json.dumps(config[name][key])}".replace("\\", r"\\")
            pattern = rf"^{key}[ \t]*[=:].*(\n[ \t]+\S.*)*"
            section = re.sub(pattern, setting, section, flags=re.MULTILINE)
    return section
