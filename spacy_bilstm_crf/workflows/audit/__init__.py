"""`audit`: problems of annotated data, and probable label errors.

`checks` finds problems without a model. `held_out` trains models by cross-validation and scores the
docs that each has not seen, `suspects` ranks what they disagree with, and `page` shows both.
"""

from .checks import DataProblem
from .suspects import Suspect
from .workflow import Audit, audit
