"""The linear-chain CRF as pure functions over padded arrays.

A tag sequence y of a sequence of n tokens has the score

    start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_t, y_{t+1}] + end[y_n]

and the probability exp(score) / Z. Z sums over the tag sequences that are legal (which tags may
start, follow one another and end: a property of the tag scheme) and allowed (which tags each token
may have: a property of the document or its annotation). All other tag sequences have probability
zero, in the partition function as in the decoder. The model is that of Lafferty et al. (2001) and
Lample et al. (2016, section 2.2, eq. 1 and 2), who also sum over ill-formed sequences.

The arrays of a call are all NumPy's, or all torch tensors on one device and without autograd: the
same code computes on both.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from .arrays import Array, asarray, device_of, full, namespace_of, quietly, to_numpy
from .chain import Blocks, Legality, LinearChain, Scores
from .forward_backward import Posterior, forward_backward
from .long_sequences import Segment, posteriors, steps_of_segment
from .objectives import divergence, entropy, expected_count, negative_log_likelihood, sequence_score
from .sampling import sample
from .viterbi import k_best, viterbi
