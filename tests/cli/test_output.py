"""What commands print, where not every character can be written."""

import spacy
from spacy.cli._util import app
from typer.testing import CliRunner


def test_what_a_code_page_lacks_is_escaped(corpus, tmp_path):
    """Windows writes into files and pipes with one."""
    spacy.util.registry.cli.get_all()
    output = tmp_path / "ολα.cfg"
    options = ["--train", str(corpus), "--dev", str(corpus)]
    command = ["bilstm-crf", "init-config", str(output), *options]
    result = CliRunner(charset="cp1252").invoke(app, command)
    assert result.exit_code == 0, result.exception
    assert output.exists()
    assert r"\u03bf\u03bb\u03b1.cfg --output training" in result.output.replace("\n", " ")
