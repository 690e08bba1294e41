"""The work around a recogniser: how good it is, where it fails, what it may miss, what suits it.

The report's data flow one way. `mentions` reads gold and predicted entities out of docs, `matching`
pairs them. `metrics`, `slices`, `errors`, `probabilities` and `comparison` make numbers of the
pairs. `report` puts these together, as they are in the JSON file; `pictures` and `page` show them.
Beside it are `audit`, which looks for annotation that is wrong, `guarantee`, which promises what
candidates miss at most, and `tuning`, which searches for settings.
"""
