"""Prunes every network of tests/models and takes what is left all the way to a file.

    PYTHONPATH=build/python:tests python bench/pruning/sweep.py [network ...] \\
        [--sparsities 0.3 0.5 0.7] [--metrics l2_norm fpgm] [--attention heads] [--every 7]

For each network (its small form), sparsity and metric the plan is proved against the masked
original, as always before a cut; the generated code takes a training step; and the converted file
runs in LiteRT and is compared with PyTorch. `--every n` takes each n-th combination, so that all
networks, sparsities and metrics come by. Prints a line for each and fails if one failed. With
`--results FILE` the lines are added to the file, and combinations that succeeded there are not run
again. `--reasons` lists what cannot be pruned, and why.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import itertools
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from models import DEPLOYED, ZOO
from torch import nn
from torch.utils._pytree import tree_leaves

from tinyml import OneShotChannelPruner, _core
from tinyml.verification import run_tflite

NETWORKS = ZOO | DEPLOYED
METRICS = ["l2_norm", "l1_norm", "fpgm", "lamp", "bn_scale", "taylor", "hrank", "apoz", "random"]


def loss(outputs: object) -> torch.Tensor:
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return sum((t.square().mean() for t in tensors if t.is_floating_point()), torch.zeros(()))


def generated(graph: _core.Graph, folder: Path) -> nn.Module:
    """The model that the graph's generated code defines."""
    graph.generate_code(folder / "model.py", folder / "model.pt", "Model")
    spec = importlib.util.spec_from_file_location("model", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load(folder / "model.pt")


def train_one_step(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    for module in model.train().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()  # one sample: a map of one pixel has no variance
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loss(model(*inputs)).backward()
    optimizer.step()


def compare_file(graph: _core.Graph, model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> float:
    """The largest error of the converted file, relative to the largest output."""
    result = _core.convert(graph)
    with torch.no_grad():
        expected = [leaf.numpy() for leaf in tree_leaves(model(*inputs))]
    actual = run_tflite(
        result.to_bytes(),
        [value.numpy() for value in inputs],
        input_orders=result.input_orders,
        output_orders=result.output_orders,
    )
    worst = 0.0
    for a, b in zip(actual, expected, strict=True):
        worst = max(worst, float(abs(a - b).max() / max(abs(b).max(), 1e-6)))
    return worst


@functools.lru_cache(maxsize=1)
def captured(name: str) -> OneShotChannelPruner:
    """One capture serves all combinations of a network."""
    entry = NETWORKS[name]
    return OneShotChannelPruner(entry.small(), entry.example_inputs())


def run(name: str, sparsity: float, metric: str, attention: str) -> str:
    inputs = NETWORKS[name].example_inputs()
    start = time.process_time()
    pruner = captured(name).fork({"sparsity": sparsity, "metrics": metric, "attention": attention})
    if metric == "taylor":
        loss(pruner.model(*inputs)).backward()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pruned = pruner.prune(batches=[inputs])
    error = compare_file(pruner.graph, pruned, inputs)
    with tempfile.TemporaryDirectory() as folder:
        train_one_step(generated(pruner.graph, Path(folder)), inputs)
    if error > 1e-3:
        raise AssertionError(f"the file differs from PyTorch by {error:.1e}")
    seconds = time.process_time() - start
    cost = pruner.calc_flops()
    how = "generated code" if any("own code" in str(w.message) for w in caught) else "in place"
    macs = cost.after.macs / cost.before.macs
    parameters = cost.after.parameters / cost.before.parameters
    return (
        f"MACs {macs:.2f}, parameters {parameters:.2f}, error {error:.0e}, {how}, {seconds:.1f} s"
    )


def list_reasons(name: str, attention: str) -> None:
    pruner = captured(name).fork({"attention": attention})
    for axis in pruner.dependencies.pinned:
        print(f"  {axis.parameter} {axis.dimension}: {axis.pinned}/{axis.size}: {axis.reason}")


def succeeded(results: Path | None) -> set[str]:
    if results is None or not results.exists():
        return set()
    lines = results.read_text().splitlines()
    return {line.partition(": ")[0] for line in lines if ": FAILED: " not in line}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=sorted(NETWORKS))
    parser.add_argument("--sparsities", nargs="+", type=float, default=[0.3, 0.5, 0.7])
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=METRICS)
    parser.add_argument("--attention", choices=["head_dim", "heads"], default="head_dim")
    parser.add_argument("--every", type=int, default=1, help="each n-th combination only")
    parser.add_argument("--results", type=Path, help="file of lines to go on from")
    parser.add_argument("--reasons", action="store_true", help="list what stays, and why")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    failed = []
    done = succeeded(arguments.results)
    combinations = itertools.product(arguments.networks, arguments.sparsities, arguments.metrics)
    for name, sparsity, metric in itertools.islice(combinations, 0, None, arguments.every):
        heads = " heads" if arguments.attention == "heads" else ""
        label = f"{name} {sparsity:.0%} {metric}{heads}"
        if label in done:
            continue
        try:
            line = f"{label}: {run(name, sparsity, metric, arguments.attention)}"
        except Exception as error:  # all are told, then the run fails
            failed.append(label)
            line = f"{label}: FAILED: {type(error).__name__}: {error}".replace("\n", " | ")
        print(line, flush=True)
        if arguments.results is not None:
            with arguments.results.open("a") as file:
                file.write(line + "\n")
    if arguments.reasons:
        for name in arguments.networks:
            print(name)
            list_reasons(name, arguments.attention)
    if failed:
        sys.exit(f"{len(failed)} failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
