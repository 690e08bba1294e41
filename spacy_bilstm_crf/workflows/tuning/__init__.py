"""Search for the settings of a training, with Optuna: what `tune` does.

Optuna and Matplotlib are imported in functions: they are in the extra `tune`.
"""
