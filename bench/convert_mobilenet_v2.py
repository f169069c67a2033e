"""Process time and peak memory of `tinyml convert` on MobileNetV2 at 224x224.

convert_mobilenet_v2.py TOOL MODEL.pt2: the best of several runs against the project's limits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 7
LIMIT_MILLISECONDS = 100.0


def run_once(command: list[str]) -> tuple[float, float]:
    """CPU milliseconds (user + system) and peak resident megabytes of one process."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024


def main() -> None:
    tool, model = sys.argv[1:3]
    weights = Path(model).stat().st_size / 2**20
    limit_memory = 3 * weights + 40
    with tempfile.TemporaryDirectory() as directory:
        command = [tool, "--quiet", "convert", model, "-o", f"{directory}/model.tflite"]
        results = [run_once(command) for _ in range(RUNS)]
        size = Path(directory, "model.tflite").stat().st_size / 2**20
    milliseconds = min(result[0] for result in results)
    memory = max(result[1] for result in results)
    print(f"convert {Path(model).name} ({weights:.1f} MB) to a .tflite of {size:.1f} MB")
    print(f"  process time {milliseconds:6.1f} ms  (limit {LIMIT_MILLISECONDS:.0f} ms)")
    limit = f"limit {limit_memory:.1f} MB: 3 x the weights + 40 MB"
    print(f"  peak memory  {memory:6.1f} MB  ({limit})")
    if milliseconds > LIMIT_MILLISECONDS or memory > limit_memory:
        raise SystemExit("over the limit")


if __name__ == "__main__":
    main()
