"""Accuracy after pruning on CIFAR-10, every method with the same CPU time after the dense training.

    PYTHONPATH=build/python python bench/pruning/run.py cifar10_jpg.npz --ratios 0.05 \\
        --methods one_shot_l2 progressive --seeds 1

Ratios are the shares of the FLOPs that remain. Dense networks are trained once and kept in --cache.
Each run adds a line to --results; what it has already is skipped, so that a killed benchmark goes
on where it was.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from data import Cifar
from models import MobileNetV1, ResNet8
from trainer import Trainer, accuracy

from tinyml import (
    ADMMPruner,
    GradualPruner,
    NetAdaptPruner,
    OneShotChannelPruner,
    ProgressivePruner,
)


def mobilenet_v1() -> nn.Module:
    """MobileNetV1-0.5 whose first convolution keeps the 32 x 32 pixels: 12 M MACs."""
    model = MobileNetV1(num_classes=10, width=0.5)
    model.model[0][0].stride = (1, 1)
    return model


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet8": ResNet8,
    "resnet8_w24": lambda: ResNet8(width=1.5),
    "mobilenet_v1_0.5": mobilenet_v1,
}
DUMMY = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def one_shot(metric: str):
    def method(model, ratio, trainer, data):
        config = {"target": {"flops": ratio}, "metrics": metric}
        OneShotChannelPruner(model, DUMMY, config).prune()
        trainer.run(model, 1.0)
        return model

    return method


def scratch(model, ratio, trainer, data):
    OneShotChannelPruner(model, DUMMY, {"target": {"flops": ratio}}).prune()
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    trainer.run(model, 1.0)
    return model


def driven(pruner, **config):
    def method(model, ratio, trainer, data):
        def validate(candidate: nn.Module) -> float:
            return accuracy(candidate, data.train[-1000:], data.train_labels[-1000:])

        settings = {"target": {"flops": ratio}, **config}
        return pruner(model, DUMMY, settings, train=trainer, evaluate=validate).prune()

    return method


METHODS = {
    "progressive": driven(ProgressivePruner),
    "one_shot_l2": one_shot("l2_norm"),
    "gradual": driven(GradualPruner),
    "scratch": scratch,
    "one_shot_l1": one_shot("l1_norm"),
    "one_shot_fpgm": one_shot("fpgm"),
    "admm": driven(ADMMPruner, iterations=6, admm_share=0.4, rho=0.01),
    "netadapt": driven(NetAdaptPruner, first_reduction=0.2, decay=0.9, short_share=0.005),
}


def dense(name: str, seed: int, seconds: float, data: Cifar, cache: Path) -> nn.Module:
    torch.manual_seed(seed)
    model = NETWORKS[name]()
    path = cache / f"{name}_{seed}_{seconds:g}.pt"
    if not path.exists():
        Trainer(data, seconds, seed).run(model, 1.0)
        torch.save(model.state_dict(), path)
    model.load_state_dict(torch.load(path))
    return model.eval()


def finished(results: Path) -> set[tuple[object, ...]]:
    if not results.exists():
        return set()
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    return {(row["network"], row["ratio"], row["method"], row["seed"]) for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", nargs="+", default=["resnet8"], choices=NETWORKS)
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.05])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dense-seeds", type=int, default=1, help="dense networks for the seeds")
    parser.add_argument("--dense-seconds", type=float, default=300)
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--cache", type=Path, default=Path("out/pruning_bench"))
    parser.add_argument("--results", type=Path, default=Path("out/pruning_bench/results.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    data = Cifar(arguments.data, arguments.cache)
    done = finished(arguments.results)
    for seed in range(arguments.seeds):
        for name in arguments.networks:
            dense_seed = seed % arguments.dense_seeds
            model = dense(name, dense_seed, arguments.dense_seconds, data, arguments.cache)
            before = accuracy(model, data.test, data.test_labels)
            print(f"{name}, seed {seed}: dense {before:.2f} %", flush=True)
            for ratio in arguments.ratios:
                for method in arguments.methods:
                    if (name, ratio, method, seed) in done:
                        continue
                    trainer = Trainer(data, arguments.seconds, seed)
                    begin = time.process_time()
                    pruned = METHODS[method](copy.deepcopy(model), ratio, trainer, data)
                    row = {
                        "network": name,
                        "ratio": ratio,
                        "method": method,
                        "seed": seed,
                        "accuracy": accuracy(pruned, data.test, data.test_labels),
                        "dense": before,
                        "cpu_seconds": round(time.process_time() - begin),
                    }
                    with arguments.results.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
