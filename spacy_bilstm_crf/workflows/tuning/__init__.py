"""The parts of `tune`. Optuna and Matplotlib, of the extra `tune`, are imported in functions."""
