"""Runs every benchmark: run.py BUILD_DIRECTORY."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    build = Path(sys.argv[1]).resolve()
    models = build / "bench" / "models"
    export = [sys.executable, str(HERE / "export_models.py"), str(models)]
    subprocess.run(export, check=True, stdout=subprocess.DEVNULL)
    environment = {**os.environ, "TINYML_BENCH_MODELS": str(models)}
    subprocess.run([str(build / "bench" / "bench_core")], check=True, env=environment)
    subprocess.run([str(build / "bench" / "bench_passes")], check=True)
    convert = [str(HERE / "convert_mobilenet_v2.py"), str(build / "apps" / "tinyml" / "tinyml")]
    model = str(models / "mobilenet_v2.pt2")
    sys.exit(subprocess.run([sys.executable, *convert, model], check=False).returncode)


if __name__ == "__main__":
    main()
