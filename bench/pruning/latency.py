"""What pruning gives in LiteRT: FLOPs targets against measured time, and latency targets.

    PYTHONPATH=build/python python bench/pruning/latency.py --networks resnet18 mobilenet_v2

Original and pruned file are measured in turns, so that what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from models import ZOO
from tinyml._core import Graph, count_cost

from tinyml import LatencyTable, OneShotChannelPruner, profile, trace
from tinyml.latency import InTurns


def side_by_side(before: Graph, after: Graph, rounds: int) -> tuple[float, float]:
    """Seconds of both, taken in turns."""
    in_turns = InTurns(least_seconds=0.25 * rounds)
    return in_turns(before), in_turns(after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--multiple", default="auto", help="a number; auto: for latencies the best")
    parser.add_argument("--targets", nargs="+", default=["flops", "latency"])
    parser.add_argument("--table", action="store_true", help="also meet latencies by a table")
    arguments = parser.parse_args()
    multiple = 1 if arguments.multiple == "auto" else int(arguments.multiple)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in arguments.networks:
        x = ZOO[name].example_input(full=True)
        table = ""
        if arguments.table:
            table = str(Path(tempfile.mkdtemp()) / "table.json")
            profile(ZOO[name].build().eval(), x, multiple=multiple).save(table)
            print(f"{name}: {len(LatencyTable.load(table))} operators measured", flush=True)
        for kind in [*arguments.targets, *(["table"] if table else [])]:
            ratio = 0.5
            model = ZOO[name].build().eval()
            before = trace(model, x)
            config: dict[str, object] = {"target": {"latency" if kind == "table" else kind: ratio}}
            if arguments.multiple != "auto":
                config["multiple"] = multiple
            if kind == "table":
                config["latency_table"] = table
            start = time.process_time()
            pruner = OneShotChannelPruner(model, x, config)
            pruner.prune()
            seconds = time.process_time() - start
            slow, fast = side_by_side(before, pruner.graph, arguments.rounds)
            macs = count_cost(pruner.graph).macs / count_cost(before).macs
            row = {
                "network": name,
                "target": f"{kind}={ratio}",
                "multiple": arguments.multiple,
                "pruning_seconds": round(seconds, 1),
                "macs": round(macs, 3),
                "ms_before": round(1e3 * slow, 3),
                "ms_after": round(1e3 * fast, 3),
                "latency": round(fast / slow, 3),
                "speedup_over_flops_ratio": round((slow / fast) * macs, 3),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
