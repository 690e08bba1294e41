"""Look at a config and a search space before anything starts."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry, resolve_dot_names
from thinc.api import Config

from ...common.errors import UserError, one_line
from .space import Parameter, Params, Space, get, has, is_active
from .space_file import read_space
from .storage import Search

# A corpus may be a stream without an end
MOST_DOCS_READ = 10_000
RECOGNIZERS = ("ner", "bilstm_crf_ner", "beam_ner")


def prepared(config_path: Path, space_path: Path, overrides: dict[str, Any], seeds: int) -> Search:
    """Read a config and a search space, and check them against one another and the data.

    Args:
        config_path: The config.
        space_path: The search space.
        overrides: Values that take the place of the config's, by their paths.
        seeds: Trainings of each trial.

    Raises:
        UserError: If something is wrong. Says what.
    """
    space = read_space(space_path)
    _quiet_optuna()
    make_sampler(space, space.seed)
    make_pruner(space)
    config = read_config(config_path, overrides)
    check_space(space, config)
    check_data(config)
    return Search(config.to_str(), space_path.read_text(encoding="utf8"), seeds)


def read_config(path: Path, overrides: dict[str, Any]) -> Config:
    """A complete config, with all that was left out of the file filled in.

    Args:
        path: The file.
        overrides: Values that take the place of the file's, by their paths.

    Raises:
        UserError: If there is no such file, or spaCy refuses what it says.
    """
    if not path.is_file():
        raise UserError(f"There is no config {path}. `init-config` writes one.")
    with _refused(f"spaCy can't read the config {path}"):
        config = load_config(path, overrides=overrides, interpolate=False)
    with _refused(f"spaCy refuses the config {path}"):
        return filled(config)


def filled(config: Config) -> Config:
    """The config as spaCy saves it: with all defaults, and its references kept.

    Raises:
        Exception: Of several kinds, if spaCy refuses it.
    """
    return load(config).config


def load(config: Config) -> Language:
    """Make the pipeline of a config and all that its training needs but the data."""
    # Some layers print on what is missing
    with contextlib.redirect_stdout(io.StringIO()):
        nlp = load_model_from_config(config, auto_fill=True)
        plain = nlp.config.interpolate()
        registry.resolve(plain["training"], schema=ConfigSchemaTraining)
    return nlp


def check_space(space: Space, config: Config) -> None:
    """Check that each path is there, and that the config takes each extreme value.

    Raises:
        UserError: Names the path, or the parameter and its value.
    """
    for parameter in space.parameters.values():
        for chosen in parameter.extremes():
            params = _params_with(space, parameter, chosen)
            changed = _applied(space, config, params, parameter)
            try:
                accepted = filled(changed)
            except Exception as error:  # pydantic's, confection's, the layers' own
                raise UserError(
                    f"[parameters.{parameter.name}] can't be {chosen!r}: the config refuses that: "
                    f"{one_line(error)}"
                ) from error
            for path in parameter.paths:
                if not _kept(get(accepted, path), parameter.value(chosen)):
                    raise UserError(
                        f"[parameters.{parameter.name}] has the path {path}, but the config takes "
                        f"no value there."
                    )


def _applied(space: Space, config: Config, params: Params, parameter: Parameter) -> Config:
    """The config with those parameters. Fails for a path of this one that isn't there."""
    # What the parameters set that it depends on may bring its path
    before = {name: value for name, value in params.items() if name != parameter.name}
    surroundings = config
    if before:
        with _refused(
            f"[parameters.{parameter.name}] can't be checked: the config refuses {before}"
        ):
            surroundings = filled(space.applied(config, before))
    for path in parameter.paths:
        if not has(surroundings, path):
            reference = _reference(surroundings, path)
            raise UserError(
                f"[parameters.{parameter.name}] has the path {path}, which is not in the config"
                + (f": {reference}." if reference else ".")
            )
    return space.applied(surroundings, {parameter.name: params[parameter.name]})


def _reference(config: Config, path: str) -> str:
    """Why a path may be missing: a section above it that is a reference to another one."""
    parts = path.split(".")
    for end in range(1, len(parts)):
        value = get(config, ".".join(parts[:end]))
        if isinstance(value, str) and value.startswith("${"):
            return f"{'.'.join(parts[:end])} is {value}, so use the path there"
    return ""


def _params_with(space: Space, parameter: Parameter, chosen: Any) -> dict[str, Any]:
    """What this parameter depends on, with the first values that allow it, and it."""
    params: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        for other, values in space.parameters[name].when.items():
            if other not in params:
                add(other, values[0])
        params[name] = value

    add(parameter.name, chosen)
    if not all(is_active(space.parameters[name], params) for name in params):
        raise UserError(
            f"[parameters.{parameter.name}.when] can't be met: it asks for {params}, which the "
            f"conditions of these parameters rule out."
        )
    return params


def _kept(found: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(found, dict) and all(_kept(found.get(key), value[key]) for key in value)
    return bool(found == value)


def check_data(config: Config) -> None:
    """Check that the training and development data can be read and have entities.

    Raises:
        UserError: If not.
    """
    with _refused("spaCy refuses the config"):
        nlp = load(config)
        plain = nlp.config.interpolate()
    names = [plain["training"]["train_corpus"], plain["training"]["dev_corpus"]]
    with _refused("The data can't be read (--paths.train, --paths.dev)"):
        corpora = resolve_dot_names(plain, names)
    of_entities = any(nlp.get_pipe_meta(name).factory in RECOGNIZERS for name in nlp.pipe_names)
    for part, corpus in zip(("training", "development"), corpora):
        with _refused(f"The {part} data can't be read (--paths.train, --paths.dev)"):
            docs = [example.reference for example in islice(corpus(nlp), MOST_DOCS_READ)]
        if not docs:
            raise UserError(f"The {part} data are empty: convert them again.")
        if of_entities and not any(doc.ents for doc in docs):
            raise UserError(f"The {part} data have {len(docs):,} docs, but no entity in them.")


def make_sampler(space: Space, seed: int) -> Any:
    """The sampler that the space names.

    Raises:
        UserError: If Optuna has none of that name, or it takes no such arguments.
    """
    import optuna

    name, arguments = _name_and_arguments(space.sampler)
    known = [n for n in optuna.samplers.__all__ if n.endswith("Sampler") and "Base" not in n]
    # A sequence and a grid go on where they were only with the seed that they began with
    if name in ("QMCSampler", "GridSampler"):
        seed = space.seed
    if name != "PartialFixedSampler":
        arguments = {"seed": seed, **arguments}
    return _made("sampler", optuna.samplers, name, known, arguments)


def make_pruner(space: Space) -> Any:
    """The pruner that the space names.

    Raises:
        UserError: If Optuna has none of that name, or it takes no such arguments.
    """
    import optuna

    name, arguments = _name_and_arguments(space.pruner)
    known = [n for n in optuna.pruners.__all__ if n != "BasePruner"]
    return _made("pruner", optuna.pruners, name, known, arguments)


def _name_and_arguments(section: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return section["name"], {key: value for key, value in section.items() if key != "name"}


def _made(kind: str, module: Any, name: str, known: list[str], arguments: dict[str, Any]) -> Any:
    if name not in known:
        raise UserError(f"[search.{kind}] {name} is none of Optuna's: {', '.join(known)}.")
    try:
        return getattr(module, name)(**arguments)
    except Exception as error:  # each has its own
        raise UserError(f"[search.{kind}] {name} can't be used: {one_line(error)}") from error


def _quiet_optuna() -> None:
    from optuna.exceptions import ExperimentalWarning

    # Samplers' arguments that may change one day, which the space's file asks for
    warnings.simplefilter("ignore", ExperimentalWarning)


@contextlib.contextmanager
def _refused(what: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # pydantic's, confection's, the layers' own
        raise UserError(f"{what}: {one_line(error)}") from error
