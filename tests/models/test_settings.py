"""What becomes of settings when saved weights are loaded."""

import pytest
from thinc.api import Linear, Model

from spacy_bilstm_crf.models.settings import Configured, Trained


def layer(**attrs):
    model: Model = Linear(2, 2).initialize()
    model.attrs.update(attrs)
    return model


@pytest.mark.parametrize("saved", [Configured(1), 1])  # the second as Thinc has it
def test_the_config_counts(saved):
    other = layer(setting=Configured(2)).from_bytes(layer(setting=saved).to_bytes())
    assert other.attrs["setting"] == Configured(2)


def test_weights_of_another_setting_are_refused():
    saved = layer(setting=Trained(1)).to_bytes()
    assert layer(setting=Trained(1)).from_bytes(saved).attrs["setting"] == Trained(1)
    with pytest.raises(ValueError, match="'linear' layer with setting = 1, but the config has"):
        layer(setting=Trained(2)).from_bytes(saved)
