"""`cross-validate`: how good a config is on all of the data, by models that have not seen them.

`folds` splits the data and trains a model for each fold, which `audit` does as well. `workflow`
scores what the models find in the docs that they have not seen, as a report does.
"""

from .workflow import CrossValidation, cross_validate
