"""`report`: how good a pipeline is, where it fails, and what its probabilities are worth.

Data flow one way. `mentions` reads gold and predicted entities from docs, `matching` pairs them.
`metrics`, `slices`, `errors`, `probabilities` and `comparison` compute numbers from the pairs.
`contents` collects them in one dictionary, which `page` and `pictures` show.
"""

from .workflow import Report, report
