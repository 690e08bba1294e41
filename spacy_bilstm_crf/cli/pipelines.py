"""Load the pipeline that a command is given, or say in one line why that fails."""

from typing import TYPE_CHECKING

from .app import InputError

if TYPE_CHECKING:
    from spacy.language import Language


def load_pipeline(name: str) -> "Language":
    """A trained pipeline.

    Args:
        name: Its folder, or the name of an installed package.

    Raises:
        InputError: If there is none, or it can't be loaded.
    """
    from spacy import util

    from ..pipeline.failures import one_line

    try:
        return util.load_model(name)
    except OSError as error:  # spaCy's E050, E053
        raise InputError(
            f"There is no pipeline {name}: name the folder model-best of a training."
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"The pipeline {name} can't be loaded: {one_line(error)}") from error
