"""`copy-config`: the shipped configs, by name."""

from tests.helpers import CONFIG, spacy_command


def test_a_config_is_copied_as_it_is(tmp_path):
    out = tmp_path / "new" / "my.cfg"
    spacy_command("bilstm-crf", "copy-config", "bilstm_crf", out)
    assert out.read_bytes() == CONFIG.read_bytes()
    for name, arguments, message in (
        ("nonsense", (out, "--force"), "it must be one of bilstm_crf, "),
        ("tuning", (out,), "exists. Replace it with --force"),
        ("tuning", (CONFIG.with_name("tuning.cfg"), "--force"), "is an input file"),
    ):
        said = spacy_command("bilstm-crf", "copy-config", name, *arguments, exit_codes=(1,))
        assert message in said and len(said.strip().splitlines()) == 1
    assert out.read_bytes() == CONFIG.read_bytes()
    spacy_command("bilstm-crf", "copy-config", "tuning", out, "--force")
    assert out.read_bytes() == CONFIG.with_name("tuning.cfg").read_bytes()
