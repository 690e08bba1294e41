"""Where a search is kept: a journal file in its folder, or what a URL names."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...common.errors import UserError, one_line
from .locks import held, journal_lock

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

JOURNAL = "journal.log"
SEARCH = "search.json"
TRIES = 5


class Search(NamedTuple):
    """What is searched. It can't change once the search has begun."""

    config: str  # the complete config
    space: str  # the space's file, as text
    seeds: int  # trainings for each trial

    @property
    def name(self) -> str:
        """Of its study: one storage may hold several."""
        digest = hashlib.sha256(json.dumps(self).encode("utf8")).hexdigest()
        return f"bilstm-crf-tune-{digest[:16]}"


class Storage(NamedTuple):
    """Optuna's storage, and the study in it."""

    backend: "BaseStorage"
    study_id: int

    def trial_id(self, number: int) -> int:
        """The storage's own id of a trial."""
        return self.backend.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def add_trial(
        self,
        user_attrs: dict[str, Any],
        params: dict[str, Any],
        distributions: dict[str, Any],
        system_attrs: dict[str, Any],
    ) -> int:
        """Add a trial that is running.

        Args:
            user_attrs: What it says of itself.
            params: Values that are chosen already.
            distributions: Theirs.
            system_attrs: Optuna's own notes.

        Returns:
            Its number.
        """
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=distributions,
            user_attrs=user_attrs,
            system_attrs=system_attrs,
        )
        return self.backend.get_trial(
            self.backend.create_new_trial(self.study_id, template_trial=trial)
        ).number


def begin(output: Path, search: Search) -> None:
    """Write down in the folder what is searched, or check that it is what was searched before.

    Raises:
        UserError: If the folder has another search. Says what differs.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output} can't be made a folder: {one_line(error)}") from error
    path = output / SEARCH
    if path.exists():
        try:
            before = Search(**json.loads(path.read_text(encoding="utf8")))
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{path} is damaged: name another folder with --output, or delete this one."
            ) from error
        difference = _difference(before, search)
        if difference:
            raise UserError(
                f"{output} holds a search with another {difference}: name another folder with "
                f"--output, or go on with the same config, space and --seeds."
            )
        return
    write_whole(path, json.dumps(search._asdict(), indent=1) + "\n")


def _difference(before: Search, now: Search) -> str:
    """What is not the same in two searches. Empty if nothing is."""
    from thinc.api import Config

    if before.seeds != now.seeds:
        return f"number of seeds ({before.seeds}, now {now.seeds})"
    for what, old, new in (
        ("config", before.config, now.config),
        ("space", before.space, now.space),
    ):
        if old != new:
            changed = _changed(
                Config().from_str(old, interpolate=False),
                Config().from_str(new, interpolate=False),
            )
            if changed:
                return f"{what} (where {changed} is different)"
    return ""


def _changed(old: Any, new: Any, path: tuple[str, ...] = ()) -> str:
    """The first path at which two configs differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in old or key not in new:
                return ".".join([*path, key])
            found = _changed(old[key], new[key], (*path, key))
            if found:
                return found
        return ""
    return "" if old == new else ".".join(path)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that whoever reads sees the one before or all of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf8")
    os.replace(unfinished, path)


def open_study(
    output: Path, url: str | None, search: Search, pruner: Any
) -> tuple["Study", Storage]:
    """Open the study of a search; makes it if there is none.

    Args:
        output: The search's folder.
        url: Of the storage. None for a journal file in the folder.
        search: What is searched.
        pruner: Optuna's pruner.

    Raises:
        UserError: If the storage can't be opened.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it says, our own lines say
    for tried in range(1, TRIES + 1):
        try:
            backend = _backend(output, url)
            study = optuna.create_study(
                study_name=search.name,
                storage=backend,
                direction="maximize",
                load_if_exists=True,
                pruner=pruner,
            )
            break
        except Exception as error:  # SQLAlchemy's, the driver's, Optuna's own
            # Two that start at once both make the tables, and one of them fails
            if tried < TRIES and type(error).__name__ in ("IntegrityError", "ProgrammingError"):
                time.sleep(0.2 * tried)
                continue
            where = "--storage" if url else output / JOURNAL
            raise UserError(f"{where} can't be opened: {one_line(error)}") from error
    if "space" not in study.user_attrs:
        for key, value in search._asdict().items():
            study.set_user_attr(key, value)
    return study, Storage(backend, backend.get_study_id_from_name(search.name))


def _backend(output: Path, url: str | None) -> "BaseStorage":
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalRedisBackend

    if url is None:
        path = output / JOURNAL
        _cut_torn_line(path)
        return JournalStorage(JournalFileBackend(str(path), journal_lock(path)))
    if url.startswith("redis"):
        return JournalStorage(JournalRedisBackend(url))
    # A server may close a connection that is idle for the length of a training
    return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})


def _cut_torn_line(path: Path) -> None:
    """Cut off a last line that was not written to its end, such as when the power failed.

    Optuna could read nothing that is written after it.
    """
    if not path.exists():
        return
    with held(journal_lock(path)), path.open("rb+") as journal:
        content = journal.read()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            journal.truncate(end)
