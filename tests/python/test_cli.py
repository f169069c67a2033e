"""The command-line tool as users run it: a process, its output, its exit code and its files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from models import ZOO
from torch import nn

from tinyml.__main__ import find_tool

BAD_INPUT, BAD_USAGE = 1, 2


def tinyml(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [find_tool(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


def succeed(*arguments: object) -> subprocess.CompletedProcess[str]:
    result = tinyml(*arguments)
    assert result.returncode == 0, result.stderr
    return result


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(x + self.conv2(x))
        return self.fc(x.mean((2, 3)))


def export(model: nn.Module, x: torch.Tensor, path: Path) -> Path:
    torch.export.save(torch.export.export(model.eval(), (x,)), path)
    return path


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def model(directory: Path) -> Path:
    torch.manual_seed(0)
    return export(Net(), torch.randn(1, 3, 8, 8), directory / "net.pt2")


COMMANDS = ("info", "deps", "codegen", "prune", "sensitivity", "profile", "quantize", "convert")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(command: str) -> None:
    result = succeed(command, "--help")
    assert f"  tinyml {command} " in result.stdout
    assert result.stderr == ""


def test_help_names_every_command() -> None:
    text = succeed("--help").stdout
    assert all(command in text for command in COMMANDS)
    assert succeed("--version").stdout.startswith("tinyml ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("info",),
        ("convert", "model.pt2"),
        ("convert", "model.pt2", "-o", "model.onnx"),
        ("codegen", "model.pt2", "--no-such-option"),
        ("codegen", "model.pt2", "-o", "model.txt"),
        ("prune", "model.pt2", "-o", "out.pt2", "--sparsity", "1.5"),
        ("prune", "model.pt2", "-o", "out.pt2", "--metric", "magic"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = tinyml(*arguments, cwd=tmp_path)
    assert result.returncode == BAD_USAGE
    assert result.stdout == ""
    assert result.stderr
    assert not list(tmp_path.iterdir())


OUTPUTS = {
    "info": (),
    "deps": (),
    "codegen": ("-o", "out.py"),
    "prune": ("--sparsity", "0.5", "-o", "out.pt2"),
    "profile": ("-o", "table.json"),
    "quantize": ("-o", "out.pt2"),
    "sensitivity": ("--calibration", __file__),  # the model is read first
    "convert": ("-o", "out.tflite"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_input(command: str, model: Path, tmp_path: Path) -> None:
    whole = model.read_bytes()
    inputs = {
        "missing.pt2": None,
        "empty.pt2": b"",
        "text.pt2": b"this is not an archive\n" * 100,
        "cut.pt2": whole[: len(whole) // 2],
    }
    for name, content in inputs.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        before = sorted(path.name for path in tmp_path.iterdir())
        result = tinyml(command, name, *OUTPUTS[command], cwd=tmp_path)
        assert result.returncode == BAD_INPUT, (name, result.stderr)
        assert result.stdout == ""
        assert name in result.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_codegen_writes_code_that_loads(model: Path, tmp_path: Path) -> None:
    succeed("codegen", model, "-o", tmp_path / "net_code.py", "--class", "MyNet")
    check = (
        "import torch, net_code; model = net_code.load().eval(); x = torch.randn(1, 3, 8, 8); "
        f"expected = torch.export.load({str(model)!r}).module()(x); "
        "torch.testing.assert_close(model(x), expected); assert type(model).__name__ == 'MyNet'"
    )
    subprocess.run([sys.executable, "-c", check], cwd=tmp_path, check=True)
    assert "class MyNet" in succeed("codegen", model, "--class", "MyNet").stdout


def test_errors_leave_an_existing_output_alone(tmp_path: Path) -> None:
    class Unsupported(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    model = export(Unsupported(), torch.rand(2, 3), tmp_path / "odd.pt2")
    output = tmp_path / "odd.tflite"
    output.write_bytes(b"from before")
    result = tinyml("convert", model, "-o", output)
    assert result.returncode == BAD_INPUT
    assert "bessel_j0" in result.stderr
    assert "test_cli.py" in result.stderr  # the user's source line
    assert output.read_bytes() == b"from before"


def test_a_directory_that_is_not_there(model: Path, tmp_path: Path) -> None:
    for command in ("codegen", "prune", "convert"):
        *options, name = OUTPUTS[command]
        result = tinyml(command, model, *options, tmp_path / "absent" / name)
        assert result.returncode == BAD_INPUT, command
        assert "absent" in result.stderr


def test_quiet_and_progress(model: Path, tmp_path: Path) -> None:
    arguments = ("convert", model, "-o", tmp_path / "net.tflite")
    assert "ms]" in succeed(*arguments).stderr
    assert succeed(*arguments, "--quiet").stderr == ""
    assert succeed("--quiet", *arguments).stderr == ""


def test_a_killed_conversion_leaves_nothing_half_written(directory: Path, tmp_path: Path) -> None:
    zoo = ZOO["mobilenet_v2"]
    model = export(zoo.small(), zoo.example_input(), directory / "zoo.pt2")
    output = tmp_path / "model.tflite"
    succeed("convert", model, "-o", output)
    whole = output.read_bytes()
    start = time.monotonic()
    succeed("convert", model, "-o", output)
    duration = time.monotonic() - start
    for i in range(12):
        output.unlink(missing_ok=True)
        process = subprocess.Popen([find_tool(), "--quiet", "convert", model, "-o", output])
        time.sleep(duration * (i + 1) / 12)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if output.exists():
            assert output.read_bytes() == whole


def test_pipeline_without_python(model: Path, tmp_path: Path) -> None:
    """Prune, calibrate and convert with the tool alone; PyTorch and LiteRT judge the results."""
    pruned, quantized = tmp_path / "pruned.pt2", tmp_path / "quantized.pt2"
    text = succeed("prune", model, "--sparsity", "0.5", "-o", pruned).stdout
    assert "parameters" in text
    generator = torch.Generator().manual_seed(1)
    examples = torch.randn(32, 3, 8, 8, generator=generator)
    np.save(tmp_path / "examples.npy", examples.numpy())
    succeed("quantize", pruned, "--calibration", tmp_path / "examples.npy", "-o", quantized)

    small = torch.export.load(pruned).module()
    assert sum(p.numel() for p in small.parameters()) < 600
    fake = torch.export.load(quantized).module()
    cases = ((pruned, small, 80), (quantized, small, 20), (quantized, fake, 30))
    for source, reference, least in cases:
        file = source.with_suffix(".tflite")
        succeed("convert", source, "-o", file)
        with torch.no_grad():
            expected = torch.cat([reference(x[None]) for x in examples]).numpy()
        actual = np.concatenate([run(file, x[None].permute(0, 2, 3, 1).numpy()) for x in examples])
        noise = np.sum((actual - expected) ** 2)
        assert 10 * np.log10(np.sum(expected**2) / noise) > least, (source.name, least)


def run(path: Path, x: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ascontiguousarray(x))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_integer_inputs_and_outputs(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype("f4"))
    succeed("quantize", "--calibration", tmp_path / "x.npy", model, "-o", tmp_path / "q.pt2")
    succeed("convert", tmp_path / "q.pt2", "--io", "int8", "-o", tmp_path / "q.tflite")
    interpreter = Interpreter(str(tmp_path / "q.tflite"))
    details = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert all(detail["dtype"] == np.int8 for detail in details)
    result = tinyml("convert", model, "--io", "int8", "-o", tmp_path / "float.tflite")
    assert result.returncode == BAD_INPUT


def test_quantize_says_what_it_needs(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "q.pt2"
    result = tinyml("quantize", model, "-o", output)
    assert result.returncode == BAD_INPUT
    assert "--calibration" in result.stderr
    np.save(tmp_path / "wrong.npy", np.zeros((4, 3, 9, 8), "f4"))
    result = tinyml("quantize", model, "--calibration", tmp_path / "wrong.npy", "-o", output)
    assert result.returncode == BAD_INPUT
    assert "[4, 3, 9, 8]" in result.stderr
    np.save(tmp_path / "x.npy", np.zeros((4, 3, 8, 8), "f4") + 1)
    succeed("quantize", model, "--calibration", tmp_path / "x.npy", "-o", output)
    result = tinyml("quantize", output, "-o", tmp_path / "again.pt2")
    assert result.returncode == BAD_INPUT
    assert "FakeQuants already" in result.stderr


class TwoInputs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, left, right):
        return self.fc(left) * right


def test_calibration_from_an_npz(tmp_path: Path) -> None:
    model, path, output = TwoInputs().eval(), tmp_path / "model.pt2", tmp_path / "q.pt2"
    left, right = torch.randn(8, 4), 5 * torch.rand(8, 3)
    torch.export.save(torch.export.export(model, (left[:1], right[:1])), path)
    data = tmp_path / "x.npz"
    np.savez(data, right=right.numpy(), left=left.numpy())
    succeed("quantize", path, "--calibration", data, "-o", output)
    by_name = torch.export.load(output).module()(left[:1], right[:1])
    with torch.no_grad():
        assert (by_name - model(left[:1], right[:1])).abs().max() < 0.2
    np.savez(data, left.numpy(), right.numpy())  # without names: in order
    succeed("quantize", path, "--calibration", data, "-o", output)
    assert torch.equal(torch.export.load(output).module()(left[:1], right[:1]), by_name)
    np.savez_compressed(data, left=left.numpy(), right=right.numpy())
    succeed("quantize", path, "--calibration", data, "-o", output)
    assert torch.equal(torch.export.load(output).module()(left[:1], right[:1]), by_name)
    damaged = bytearray(data.read_bytes())
    damaged[100] ^= 255  # in the first array's data
    data.write_bytes(damaged)
    result = tinyml("quantize", path, "--calibration", data, "-o", output)
    assert result.returncode == BAD_INPUT
    assert "damaged" in result.stderr
    for arrays, message in (
        ({"left": left, "rigth": right}, "is 'right' meant"),
        ({"left": left}, "no array 'right'"),
    ):
        np.savez(data, **{name: array.numpy() for name, array in arrays.items()})
        result = tinyml("quantize", path, "--calibration", data, "-o", output)
        assert result.returncode == BAD_INPUT
        assert message in result.stderr


def test_prune_writes_a_report(model: Path, tmp_path: Path) -> None:
    result = succeed(
        "prune", model, "--target", "flops=0.5", "--multiple", 2, "-o", tmp_path / "p.pt2",
        "--report", tmp_path / "r.html",
    )  # fmt: skip
    assert "MACs" in result.stdout
    page = (tmp_path / "r.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "conv1.weight" in page
    wrong = tinyml("prune", model, "--target", "flop=0.5", "-o", tmp_path / "q.pt2")
    assert wrong.returncode == BAD_USAGE
    assert "flops=SHARE" in wrong.stderr


def test_sensitivity(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shape = torch.export.load(model).example_inputs[0][0].shape
    np.save(tmp_path / "x.npy", rng.standard_normal((4, *shape[1:]), dtype=np.float32))
    result = succeed(
        "sensitivity", model, "--calibration", tmp_path / "x.npy", "--sparsity", "0.25,0.75"
    )
    assert "conv1 " in result.stdout
    succeed("sensitivity", model, "--calibration", tmp_path / "x.npy", "-o", tmp_path / "s.csv")
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "subgraph,sparsity,snr_db,macs_ratio"
    values = [line.split(",") for line in lines[1:]]
    assert len(values) >= 3
    assert all(0 < float(ratio) < 1 for *_, ratio in values)


def test_a_saved_plan_cuts_another_checkpoint_alike(model: Path, tmp_path: Path) -> None:
    plan, other = tmp_path / "plan.json", tmp_path / "other.pt2"
    succeed("prune", model, "--target", "flops=0.5", "--save-plan", plan, "-o", tmp_path / "a.pt2")
    torch.manual_seed(7)
    export(Net(), torch.randn(1, 3, 8, 8), other)
    succeed("prune", other, "--plan", plan, "-o", tmp_path / "b.pt2")
    shapes = [
        {name: tensor.shape for name, tensor in torch.export.load(path).state_dict.items()}
        for path in (tmp_path / "a.pt2", tmp_path / "b.pt2")
    ]
    assert shapes[0] == shapes[1]


def test_a_plan_takes_branches_out(model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    succeed("prune", model, "--sparsity", "0.5", "--save-plan", plan, "-o", tmp_path / "a.pt2")
    document = json.loads(plan.read_text())
    cuts = [cut for cut in document["cuts"] if not cut["parameter"].startswith("conv2")]
    document |= {"version": 2, "removed_branches": [""], "cuts": cuts}
    plan.write_text(json.dumps(document))
    result = succeed("prune", model, "--plan", plan, "-o", tmp_path / "b.pt2")
    assert "removed 1 residual branches" in result.stderr
    state = torch.export.load(tmp_path / "b.pt2").state_dict
    assert state["conv1.weight"].shape == (4, 3, 3, 3)
    assert not any(name.startswith("conv2") for name in state)


def test_info_counts(model: Path) -> None:
    text = succeed("info", model).stdout
    parameters = sum(parameter.numel() for parameter in Net().parameters())
    assert f"{parameters:,}" in text
    macs = 8 * 8 * (3 * 8 * 9 + 8 * 8 * 9) + 8 * 5
    assert f"{macs:,}" in text
    assert "digraph" in succeed("info", model, "--dot").stdout
    assert "conv2d" in succeed("info", model, "--layers").stdout
    assert "digraph" in succeed("deps", model, "--dot").stdout
    assert "conv1" in succeed("deps", model).stdout


def test_python_m_tinyml_runs_the_tool() -> None:
    command = [sys.executable, "-m", "tinyml", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("tinyml ")


def test_prune_repairs_with_calibration_data(model: Path, directory: Path) -> None:
    data, plain = directory / "calibration.npz", directory / "plain.pt2"
    inputs = torch.export.load(model).graph_signature.user_inputs
    images = torch.randn(16, *torch.export.load(model).example_inputs[0][0].shape[1:])
    np.savez(data, **{inputs[0]: images.numpy()})
    arguments = ("prune", model, "--sparsity", "0.25")
    succeed(*arguments, "-o", plain)
    fitted, both = directory / "fitted.pt2", directory / "both.pt2"
    repair = (*arguments, "--calibration", data, "--reconstruct")
    assert "fitted" in succeed(*repair, "-o", fitted).stderr
    assert "measured the statistics" in succeed(*repair, "--recalibrate", "-o", both).stderr
    modules = [torch.export.load(path).module() for path in (model, plain, fitted)]
    with torch.no_grad():
        whole, cut, repaired = (
            torch.cat([module(image[None]) for image in images]) for module in modules
        )
    assert (repaired - whole).square().sum() < (cut - whole).square().sum()
    before, after = (torch.export.load(path).state_dict for path in (fitted, both))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "running_" in name}
    assert tinyml(*arguments, "-o", plain, "--reconstruct").returncode == BAD_USAGE


def test_prune_to_a_latency_with_a_table_of_this_machine(model: Path, directory: Path) -> None:
    import ai_edge_litert

    library = next(Path(ai_edge_litert.__file__).parent.glob("libLiteRt.so"))
    table, pruned = directory / "table.json", directory / "latency.pt2"
    succeed("profile", model, "-o", table, "--litert", library, "--widths", "1,0.5,0.2")
    # Measured times depend on the machine; with times that follow the arithmetic the target is met.
    measured = json.loads(table.read_text())
    shapes = [shape for kind in measured["operators"] for shape in kind["shapes"]]
    assert all(shape["seconds"] > 0 for shape in shapes)
    for shape in shapes:
        shape["seconds"] = 1e-9 * max(shape["work"], 1)
    table.write_text(json.dumps(measured))
    target = ("--target", "latency=0.8")
    result = succeed("prune", model, *target, "--latency-table", table, "-o", pruned)
    assert "latency" in result.stdout
    assert pruned.exists()
    result = tinyml("prune", model, "--target", "latency=soon", "-o", pruned)
    assert result.returncode == BAD_USAGE
    assert "latency=TIME" in result.stderr
    result = tinyml("prune", model, "--target", "latency=1ns", "-o", pruned)
    assert result.returncode == BAD_USAGE
    result = tinyml(
        "prune",
        model,
        "--target",
        "latency=0.001 us",
        "--litert",
        library,
        "-o",
        directory / "no.pt2",
    )
    assert result.returncode == BAD_INPUT
    assert "cannot be reached" in result.stderr
    assert not (directory / "no.pt2").exists()
