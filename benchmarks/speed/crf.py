"""The CRF against pytorch-crf and torch-struct: loss with gradient, Viterbi, marginals.

    pip install -r benchmarks/speed/requirements.txt
    python -m benchmarks.speed.crf [--device cpu]

All run in one process, in turns, with one thread. The shortest sequences are half as long as the
longest; scores are random. Tags are BILUO tags, and only ours knows which of them may follow one
another. A peer that would need more than MAX_BYTES for the tensors that it makes is left out.
Results go to benchmarks/speed/results/crf.json.
"""

import statistics
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import torch
import typer

from benchmarks.harness import command, tables, timing
from benchmarks.harness.paths import results_of
from benchmarks.harness.results import machine, read, write
from spacy_bilstm_crf import crf
from spacy_bilstm_crf.batching import legality

SHAPES = [
    (batch, steps, n_tags) for batch in (32, 128) for steps in (40, 500) for n_tags in (17, 73, 265)
]
SHAPES = [(8, 500, 17), *SHAPES, (128, 128, 17)]
MAX_BYTES = 4e9
OURS = "ours"


class Batch(NamedTuple):
    """Potentials, lengths and gold tags of sequences, as tensors."""

    scores: crf.Scores
    legal: crf.Legality
    lengths: torch.Tensor
    mask: torch.Tensor  # [B, T]: which steps exist
    gold: torch.Tensor  # [B, T]


def random_batch(batch: int, steps: int, n_tags: int, device: str) -> Batch:
    """Make a random batch whose gold tags are legal."""
    torch.manual_seed(0)
    legal = legality(n_tags, torch.device(device))
    shapes = [(batch, steps, n_tags), (n_tags, n_tags), (n_tags,), (n_tags,)]
    scores = crf.Scores(*(torch.randn(shape).to(device) for shape in shapes))
    lengths = torch.randint(steps // 2, steps + 1, (batch,))
    lengths[0] = steps
    lengths = lengths.to(device)
    mask = torch.arange(steps, device=device) < lengths[:, None]
    gold = crf.viterbi(crf.LinearChain(scores, lengths, legal)).masked_fill(~mask, 0)
    return Batch(scores, legal, lengths, mask, gold)


def ours(given: Batch) -> dict[str, Callable[[], Any]]:
    """Return the calls of this package: on NumPy arrays if the tensors are on the CPU."""
    n_tags = given.scores.emissions.shape[-1]
    possible: Any = torch.nn.functional.one_hot(given.gold, n_tags).bool() | ~given.mask[..., None]
    chain = crf.LinearChain(given.scores, given.lengths, given.legal)
    if given.lengths.device.type == "cpu":
        scores = crf.Scores(*map(crf.to_numpy, given.scores))
        chain = crf.LinearChain(scores, crf.to_numpy(given.lengths), legality(n_tags))
        possible = crf.to_numpy(possible)
    return {
        "loss and gradient": lambda: crf.negative_log_likelihood(chain, possible),
        "viterbi": lambda: crf.viterbi(chain),
        "marginals": lambda: crf.forward_backward(chain),
    }


def pytorch_crf(given: Batch) -> dict[str, Callable[[], Any]]:
    """Return the calls of pytorch-crf, which has no marginals."""
    import torchcrf

    emissions = given.scores.emissions.clone().requires_grad_()
    layer = torchcrf.CRF(emissions.shape[-1], batch_first=True).to(emissions.device)

    def loss_and_gradient() -> None:
        emissions.grad = None
        layer.zero_grad()
        (-layer(emissions, given.gold, given.mask, reduction="sum")).backward()

    def viterbi() -> Any:
        with torch.inference_mode():
            return layer.decode(emissions, given.mask)

    return {"loss and gradient": loss_and_gradient, "viterbi": viterbi}


def torch_struct_crf(given: Batch) -> dict[str, Callable[[], Any]]:
    """Return the calls of torch-struct, which takes one matrix of potentials for each step."""
    import torch_struct

    torch.distributions.Distribution.set_default_validate_args(False)
    emissions, transitions = (part.clone().requires_grad_() for part in given.scores[:2])

    def distribution() -> Any:
        # [B, T - 1, to, from]; the first token's scores go into the first step
        potentials = transitions.T + emissions[:, 1:, :, None]
        first = torch.zeros_like(potentials)
        first[:, 0] = emissions[:, 0, None, :]
        edges = (potentials + first).contiguous()
        return torch_struct.LinearChainCRF(edges, lengths=given.lengths)

    parts = distribution().struct.to_parts(given.gold, len(given.scores.start), given.lengths)
    parts = parts.type_as(emissions)

    def loss_and_gradient() -> None:
        emissions.grad = transitions.grad = None
        (-distribution().log_prob(parts).sum()).backward()

    return {
        "loss and gradient": loss_and_gradient,
        "viterbi": lambda: distribution().argmax,
        "marginals": lambda: distribution().marginals,
    }


def synchronous(call: Callable[[], Any], device: str) -> Callable[[], Any]:
    """Return the call, which then ends when the device is done."""
    if device == "cpu":
        return call

    def finished() -> None:
        call()
        torch.cuda.synchronize()

    return finished


def compared(batch: int, steps: int, n_tags: int, device: str) -> list[dict[str, Any]]:
    """Return a row for each thing that ours computes on a batch."""
    given = random_batch(batch, steps, n_tags, device)
    n_bytes = 4.0 * batch * steps * n_tags**2
    libraries = {OURS: ours(given)}
    if n_bytes <= MAX_BYTES:  # autograd keeps such a tensor of every step, or several
        libraries["pytorch-crf"] = pytorch_crf(given)
        if n_bytes <= MAX_BYTES / 100:  # or it takes minutes
            libraries["torch-struct"] = torch_struct_crf(given)
    rows = []
    for what in libraries[OURS]:
        peers = {
            name: synchronous(calls[what], device)
            for name, calls in libraries.items()
            if what in calls
        }
        seconds = timing.in_turns(peers)
        others = [name for name in seconds if name != OURS]
        row = {
            **{"batch": batch, "steps": steps, "tags": n_tags, "what": what},
            "seconds": {name: statistics.median(values) for name, values in seconds.items()},
            "times_as_long": {name: timing.ratio(seconds[name], seconds[OURS]) for name in others},
        }
        rows.append(row)
        print(row, flush=True)
    return rows


def main(
    device: Annotated[str, typer.Option(help="Device of torch")] = "cpu",
) -> None:
    """Measure all shapes."""
    torch.set_num_threads(1)
    rows = [row for shape in SHAPES for row in compared(*shape, device)]
    versions = machine("torch", "pytorch-crf", "torch-struct")
    name = "crf" if device == "cpu" else "crf-gpu"
    result = {"device": device, "threads": 1, **versions, "rows": rows}
    write(results_of("speed") / f"{name}.json", result)


def table() -> str:
    """Make the table of how many times as long other libraries' CRFs take."""
    rows = [["sequences, steps, tags", "what", "pytorch-crf", "torch-struct"]]
    result = read("speed", "crf")
    for row in result["rows"]:
        shape = ", ".join(f"{row[key]:,}" for key in ("batch", "steps", "tags"))
        peers = row["times_as_long"]
        if peers:
            cells = [tables.times(peers[name]) if name in peers else "-" for name in rows[0][2:]]
            rows.append([shape, row["what"], *cells])
    return tables.markdown(*rows) + tables.measured([result])


TABLES = {"crf": table}

if __name__ == "__main__":
    command.run(main)
