"""What pruning gives in LiteRT: FLOPs targets against measured time, and latency targets.

    PYTHONPATH=build/python python bench/pruning/latency.py --networks resnet18 mobilenet_v2

Original and pruned file are measured in turns, so that what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from models import ZOO
from tinyml._core import Graph, convert, count_cost

from tinyml import LatencyTable, OneShotChannelPruner, profile, trace
from tinyml.latency import measure_latency


def side_by_side(before: Graph, after: Graph, rounds: int) -> tuple[float, float]:
    """Fastest times of both, taken in turns."""
    files = [convert(graph).to_bytes() for graph in (before, after)]
    times = [[measure_latency(file, least_seconds=0.5) for file in files] for _ in range(rounds)]
    return min(t[0] for t in times), min(t[1] for t in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--multiple", type=int, default=8)
    parser.add_argument("--table", action="store_true", help="also meet latencies by a table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in arguments.networks:
        x = ZOO[name].example_input(full=True)
        table = ""
        if arguments.table:
            table = str(Path(tempfile.mkdtemp()) / "table.json")
            profile(ZOO[name].build().eval(), x, multiple=arguments.multiple).save(table)
            print(f"{name}: {len(LatencyTable.load(table))} operators measured", flush=True)
        for kind, ratio in (("flops", 0.5), ("latency", 0.5), ("table", 0.5)):
            if kind == "table" and not table:
                continue
            model = ZOO[name].build().eval()
            before = trace(model, x)
            config = {
                "target": {"latency" if kind == "table" else kind: ratio},
                "multiple": arguments.multiple,
            }
            if kind == "table":
                config["latency_table"] = table
            pruner = OneShotChannelPruner(model, x, config)
            pruner.prune()
            slow, fast = side_by_side(before, pruner.graph, arguments.rounds)
            macs = count_cost(pruner.graph).macs / count_cost(before).macs
            row = {
                "network": name,
                "target": f"{kind}={ratio}",
                "macs": round(macs, 3),
                "ms_before": round(1e3 * slow, 3),
                "ms_after": round(1e3 * fast, 3),
                "latency": round(fast / slow, 3),
                "speedup_over_flops_ratio": round((slow / fast) * macs, 3),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
