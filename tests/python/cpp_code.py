"""Compiles generated C++ code against LibTorch and compares one pass with PyTorch's."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

import tinyml

MAIN = """
#include <iostream>
INCLUDES
std::vector<torch::Tensor> list(const torch::Tensor& x) { return {x}; }
template <typename... T>
std::vector<torch::Tensor> list(const std::tuple<T...>& x) {
  return std::apply([](const auto&... item) { return std::vector<torch::Tensor>{item...}; }, x);
}
void dump(std::ofstream& file, const std::string& name, torch::Tensor x) {
  x = x.detach().to(torch::kDouble).contiguous();
  file << name << " " << x.numel() << "\\n";
  file.write(static_cast<const char*>(x.data_ptr()), static_cast<std::streamsize>(x.nbytes()));
}
template <typename Model, typename Run>
void run(Model model, const std::string& folder, Run forward) {
  std::ofstream file(folder + "/actual.bin", std::ios::binary);
  model->train(std::ifstream(folder + "/train.txt").good());
  torch::manual_seed(0);
  auto loss = torch::zeros({});
  int index = 0;
  for (const auto& y : list(forward())) {
    dump(file, "output" + std::to_string(index++), y);
    if (y.requires_grad()) loss = loss + (y * y).sum();
  }
  if (loss.requires_grad()) loss.backward();
  for (const auto& item : model->named_parameters())
    if (item.value().grad().defined()) dump(file, "grad." + item.key(), item.value().grad());
  for (const auto& item : model->named_buffers()) dump(file, "buffer." + item.key(), item.value());
}
int main(int, char** argv) {
  const std::string root = argv[1];
CALLS
}
"""


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    header, data = {}, b""
    names = {torch.float32: "F32", torch.int64: "I64", torch.int32: "I32", torch.bool: "BOOL"}
    for name, x in tensors.items():
        raw = x.detach().contiguous().numpy().tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": names[x.dtype], "shape": list(x.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def read_dump(path: Path) -> dict[str, np.ndarray]:
    data, tensors = path.read_bytes(), {}
    while data:
        line, data = data.split(b"\n", 1)
        name, count = line.decode().split()
        tensors[name] = np.frombuffer(data[: 8 * int(count)])
        data = data[8 * int(count) :]
    return tensors


class Case:
    """A model, its generated code, and what PyTorch computes in one step."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        args: tuple,
        root: Path,
        train: bool,
        graph: tinyml.Graph | None = None,
    ) -> None:
        self.name, self.folder = name, root / name
        self.folder.mkdir()
        graph = graph or tinyml.trace(copy.deepcopy(model).eval(), args)
        header, weights = self.folder / "model.h", self.folder / "weights.safetensors"
        graph.generate_code(header, weights, class_name=f"Net{name.title()}", language="cpp")
        inputs = [x for x in tree_leaves(args) if isinstance(x, torch.Tensor)]
        self.count = len(inputs)
        write_safetensors(self.folder / "in.st", {f"x{i}": x for i, x in enumerate(inputs)})
        if train:
            (self.folder / "train.txt").touch()
        model = copy.deepcopy(model).train(train)
        torch.manual_seed(0)
        outputs = [y for y in tree_leaves(model(*args)) if isinstance(y, torch.Tensor)]
        loss = sum(((y * y).sum() for y in outputs if y.requires_grad), torch.zeros(()))
        if loss.requires_grad:
            loss.backward()
        self.expected = {f"output{i}": y.detach() for i, y in enumerate(outputs)}
        for key, parameter in model.named_parameters():
            if parameter.grad is not None:
                self.expected["grad." + key] = parameter.grad
        for key, buffer in model.named_buffers():
            if key in model.state_dict():
                self.expected["buffer." + key] = buffer

    def call(self) -> str:
        space = self.source().split("namespace ")[1].split()[0]
        inputs = ", ".join(f'inputs.at("x{i}")' for i in range(self.count))
        return f"""  {{
    const std::string folder = root + "/{self.name}";
    const auto model = {space}::load(folder + "/weights.safetensors");
    const auto inputs = {space}::read_safetensors(folder + "/in.st");
    run(model, folder, [&] {{ return model->forward({inputs}); }});
  }}"""

    def source(self) -> str:
        return (self.folder / "model.h").read_text()

    def check(self, tolerance: float = 1e-4) -> None:
        actual = read_dump(self.folder / "actual.bin")
        missing = self.expected.keys() - actual.keys()
        assert not missing, f"{self.name}: {sorted(missing)}"
        for key, want in self.expected.items():
            expected = want.double().numpy().ravel()
            scale = max(1.0, float(np.abs(expected).max(initial=0)))
            worst = float(np.abs(actual[key] - expected).max(initial=0))
            assert worst <= tolerance * scale, f"{self.name}: {key} differs by {worst}"


def compile_and_run(cases: list[Case], root: Path) -> None:
    """One program of all cases; skips where there are no compiler and LibTorch headers."""
    torch_folder = Path(torch.__file__).parent
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None or not (torch_folder / "include/torch").exists():
        pytest.skip("there is no compiler or no LibTorch")
    includes = "\n".join(f'#include "{case.name}/model.h"' for case in cases)
    calls = "\n".join(case.call() for case in cases)
    (root / "main.cpp").write_text(MAIN.replace("INCLUDES", includes).replace("CALLS", calls))
    abi = int(torch.compiled_with_cxx11_abi())
    lib = torch_folder / "lib"
    command = [compiler, "-std=c++17", "-O0", f"-D_GLIBCXX_USE_CXX11_ABI={abi}", f"-I{root}"]
    for include in ("include", "include/torch/csrc/api/include"):
        command += ["-isystem", str(torch_folder / include)]
    command += ["-Wall", "-Wextra", "-Werror", str(root / "main.cpp"), "-o", str(root / "main")]
    command += [f"-L{lib}", f"-Wl,-rpath,{lib}", "-ltorch_cpu", "-lc10", "-ltorch"]
    compiled = subprocess.run(command, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr[:4000]
    ran = subprocess.run([str(root / "main"), str(root)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[:4000]
