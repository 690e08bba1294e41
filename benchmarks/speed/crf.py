"""The CRF against pytorch-crf and torch-struct: loss with gradient, Viterbi, marginals.

    pip install -r benchmarks/speed/requirements.txt
    python -m benchmarks.speed.crf [--device cpu]

All run in one process, in turns, with one thread. Sequences are from half as long as the longest
to as long; scores are random; tags are BILUO tags, whose legality only ours knows. A peer that
would need more than MAX_BYTES for the tensors that it makes is left out.
"""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch_struct
import torchcrf

from benchmarks.speed.timing import compared, in_turns, machine, write
from spacy_bilstm_crf import crf
from spacy_bilstm_crf.batching import legality

SHAPES = [
    (batch, steps, n_tags) for batch in (32, 128) for steps in (40, 500) for n_tags in (17, 73, 265)
]
SHAPES = [(8, 500, 17), *SHAPES, (128, 128, 17)]
MAX_BYTES = 4e9


class Problem(NamedTuple):
    """Potentials, lengths and gold tags of a batch."""

    scores: crf.Scores
    legal: crf.Legality
    lengths: torch.Tensor
    mask: torch.Tensor  # [B, T]: which steps there are
    gold: torch.Tensor  # [B, T]


def problem(batch: int, steps: int, n_tags: int, device: str) -> Problem:
    """A random one, the gold tags legal."""
    torch.manual_seed(0)
    legal = legality(n_tags, torch.device(device))
    shapes = [(batch, steps, n_tags), (n_tags, n_tags), (n_tags,), (n_tags,)]
    scores = crf.Scores(*(torch.randn(shape).to(device) for shape in shapes))
    lengths = torch.randint(steps // 2, steps + 1, (batch,))
    lengths[0] = steps
    lengths = lengths.to(device)
    mask = torch.arange(steps, device=device) < lengths[:, None]
    gold = crf.viterbi(crf.LinearChain(scores, lengths, legal)).masked_fill(~mask, 0)
    return Problem(scores, legal, lengths, mask, gold)


def ours(given: Problem) -> dict[str, Callable[[], Any]]:
    """What this package does."""
    chain = crf.LinearChain(given.scores, given.lengths, given.legal)
    one_hot = torch.nn.functional.one_hot(given.gold, given.scores.emissions.shape[-1]).bool()
    possible = one_hot | ~given.mask[..., None]
    return {
        "loss and gradient": lambda: crf.negative_log_likelihood(chain, possible),
        "viterbi": lambda: crf.viterbi(chain),
        "marginals": lambda: crf.forward_backward(chain),
    }


def pytorch_crf(given: Problem) -> dict[str, Callable[[], Any]]:
    """It has no marginals."""
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


def torch_struct_crf(given: Problem) -> dict[str, Callable[[], Any]]:
    """It takes one matrix of potentials for each step."""
    emissions, transitions = (part.clone().requires_grad_() for part in given.scores[:2])

    def distribution() -> torch_struct.LinearChainCRF:
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


def main() -> None:
    """Measure all shapes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    torch.set_num_threads(1)
    torch.distributions.Distribution.set_default_validate_args(False)
    rows = []
    for batch, steps, n_tags in SHAPES:
        given = problem(batch, steps, n_tags, device)
        n_bytes = 4.0 * batch * steps * n_tags**2
        libraries = {"ours": ours(given)}
        if n_bytes <= MAX_BYTES:  # autograd keeps such a tensor of every step, or several
            libraries["pytorch-crf"] = pytorch_crf(given)
            if n_bytes <= MAX_BYTES / 100:  # or it takes minutes
                libraries["torch-struct"] = torch_struct_crf(given)
        for what in libraries["ours"]:
            peers = {name: calls[what] for name, calls in libraries.items() if what in calls}
            peers = {name: synchronous(call, device) for name, call in peers.items()}
            row = {"batch": batch, "steps": steps, "tags": n_tags, "what": what}
            rows.append({**row, **compared(in_turns(peers), "ours")})
            print(row, {k: round(v["median"], 1) for k, v in rows[-1]["times_as_long"].items()})
    packages = ("torch", "pytorch-crf", "torch-struct")
    name = "crf" if device == "cpu" else "crf-gpu"
    write(name, {"device": device, "threads": 1, **machine(*packages), "rows": rows})


def synchronous(call: Callable[[], Any], device: str) -> Callable[[], Any]:
    """The call, over when the device is done."""
    if device == "cpu":
        return call

    def finished() -> None:
        call()
        torch.cuda.synchronize()

    return finished


if __name__ == "__main__":
    main()
