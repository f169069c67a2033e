"""The examples do what the README says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from models import ZOO

import tinyml

COMPRESS = Path(tinyml.__file__).absolute().parents[2] / "examples" / "compress"


@pytest.mark.skipif(not COMPRESS.exists(), reason="the C++ examples are not built")
def test_compress_makes_a_smaller_file_that_runs(tmp_path: Path) -> None:
    zoo = ZOO["resnet8"]
    model = torch.export.export(zoo.small(), (zoo.example_input(),))
    torch.export.save(model, tmp_path / "model.pt2")
    sizes = []
    for share in ("1.0", "0.3"):
        output = tmp_path / f"{share}.tflite"
        subprocess.run([COMPRESS, tmp_path / "model.pt2", output, share], check=True)
        interpreter = Interpreter(str(output))
        interpreter.allocate_tensors()
        x = zoo.example_input().permute(0, 2, 3, 1).contiguous().numpy()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        assert np.isfinite(result).all()
        sizes.append(output.stat().st_size)
    assert sizes[1] < 0.5 * sizes[0]


@pytest.mark.skipif(not COMPRESS.exists(), reason="the C++ examples are not built")
def test_compress_refuses_what_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"no archive")
    command = [COMPRESS, tmp_path / "model.pt2", tmp_path / "model.tflite"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "model.pt2" in result.stderr
    assert not (tmp_path / "model.tflite").exists()
    assert subprocess.run([COMPRESS], capture_output=True, check=False).returncode == 2


def test_quickstart_keeps_the_accuracy(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "examples" / "quickstart.py"
    spec = importlib.util.spec_from_file_location("quickstart", path)
    assert spec is not None
    assert spec.loader is not None
    quickstart = importlib.util.module_from_spec(spec)
    sys.modules["quickstart"] = quickstart
    spec.loader.exec_module(quickstart)
    original, pruned, quantized = quickstart.compress(tmp_path)
    assert original.accuracy > 0.97
    assert pruned.macs <= 0.4 * original.macs
    assert pruned.accuracy > original.accuracy - 0.01
    assert quantized.accuracy > original.accuracy - 0.01
    assert quantized.size < 0.5 * pruned.size
    assert list(tmp_path.glob("*.py"))
