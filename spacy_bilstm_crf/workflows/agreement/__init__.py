"""`agreement`: how much annotators agree, and where they differ.

Data flow one way. `reading` reads the docs of each annotator and matches their texts. `measures`
computes F and kappa, `disagreements` finds the places at which annotators differ, and `siding` asks
a model about them. `page` shows it all.
"""

from .workflow import Agreement, agreement
