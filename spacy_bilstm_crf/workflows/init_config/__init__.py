"""Write a training config that fits the data."""

from .fitted_config import FittedConfig, init_config
