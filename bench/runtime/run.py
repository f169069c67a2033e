"""Times the files of published networks in LiteRT, float and int8, beside the figures to beat.

run.py [NETWORK ...] [--cache DIR] [--seconds S]: a Markdown table, one row a network. One thread,
least CPU time; both files of a network are timed in turns in one process, so that the ratio holds
on a machine that others use as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networks
import numpy as np
import timing

import tinyml
from tinyml import _core

HEADER = (
    "| Network | float ms | operators | TRANSPOSE | MB | int8 ms | operators | MB "
    "| int8 / float | anchor | SNR of int8 |"
)


def decibels(reference: Sequence[Any], actual: Sequence[Any]) -> float:
    """Signal-to-noise ratio of all outputs together."""
    signal = sum(float((a.astype(np.float64) ** 2).sum()) for a in reference)
    noise = sum(
        float(((a.astype(np.float64) - b) ** 2).sum())
        for a, b in zip(reference, actual, strict=True)
    )
    return 10 * float(np.log10(signal / noise)) if noise and signal else float("inf")


def outputs(runner: Any) -> list[Any]:
    return [runner.get_tensor(detail["index"]) for detail in runner.get_output_details()]


def row(name: str, cache: Path, seconds: float) -> str:
    converted = [_core.convert(graph) for graph in networks.graphs(name, cache)]
    files = [result.to_bytes() for result in converted]
    runners = [timing.prepare(content) for content in files]
    real, quantized = timing.measure(runners, seconds)
    anchor = networks.ANCHORS[name]
    counts = [sum(result.operators.values()) for result in converted]
    transposes = [result.operators.get("TRANSPOSE", 0) for result in converted]
    sizes = [len(content) / 2**20 for content in files]
    snr = decibels(outputs(runners[0]), outputs(runners[1]))
    beat = f"{anchor.operators or '-'} operators, int8 {anchor.int8_ratio or '-'}"
    return (
        f"| {name} | {real:.2f} | {counts[0]} | {transposes[0]} | {sizes[0]:.1f} | {quantized:.2f} "
        f"| {counts[1]} | {sizes[1]:.1f} | {quantized / real:.2f} | {beat} | {snr:.0f} dB |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=networks.names())
    parser.add_argument("--cache", type=Path, default=networks.ROOT / "build" / "bench" / "runtime")
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring, for each network")
    arguments = parser.parse_args()
    print(HEADER)
    print("| --- |" + " ---: |" * 8 + " --- | ---: |")
    for name in arguments.networks:
        try:
            print(row(name, arguments.cache, arguments.seconds), flush=True)
        except tinyml.Error as error:
            print(f"| {name} | {str(error).splitlines()[0]} |", flush=True)


if __name__ == "__main__":
    main()
