"""`replace-ner`: change the stock `ner` of a training config into this package's component."""

from pathlib import Path

from typer import Argument
from wasabi import Printer

from ..common.files import check_file
from .app import bilstm_crf_cli
from .options import ComponentsOption, ForceOption


@bilstm_crf_cli.command("replace-ner")
def replace_ner_cli(
    config: Path = Argument(..., help="Training config with spaCy's ner or beam_ner"),
    output: Path = Argument(..., help="File to save the new config to, or - for stdout"),
    components: ComponentsOption = None,
    force: ForceOption = False,
) -> None:
    """Put a `bilstm_crf_ner` in place of each `ner` or `beam_ner` of a training config.

    A tok2vec that nothing else listens to goes with it, a transformer stays. Nothing else changes:
    `[training]` and comments are as they were, but for comments in the replaced sections.
    """
    is_stdout = str(output) == "-"
    if not is_stdout:
        check_file(output, force, read=[config])
    from ..workflows import replace_ner

    replaced = replace_ner(config, components=components)
    msg = Printer(no_print=is_stdout)
    msg.info(f"Replaced: {', '.join(replaced.components)}")
    if replaced.removed:
        msg.info(f"Removed, since nothing else listens to it: {', '.join(replaced.removed)}")
    if is_stdout:
        print(replaced.text, end="")
        return
    replaced.to_disk(output)
    msg.good(f"Saved the config to {output}. Now train:")
    print(f"python -m spacy train {output} --output training")
