"""The table of operators: tinyml.operators(), tinyml ops, docs/operators.md."""

import importlib.util
import json
import subprocess
from pathlib import Path

import torch

import tinyml
from tinyml.__main__ import find_tool

ROOT = Path(__file__).parents[2]


def ops(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [find_tool(), "ops", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def table_writer():
    path = ROOT / "tools" / "write_operator_table.py"
    spec = importlib.util.spec_from_file_location("write_operator_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    writer = table_writer()
    assert writer.PAGE.read_text() == writer.page(), "run tools/write_operator_table.py"


def test_python_lists_what_is_supported_and_what_is_not():
    rows = {row.name: row for row in tinyml.operators()}
    assert sorted(name for name, row in rows.items() if row.supported) == (
        tinyml.lowerable_operators()
    )
    assert rows["aten.conv2d.default"].supported
    assert "one quantile" in rows["aten.quantile.scalar"].limits
    assert not rows["aten.nonzero"].supported
    assert "torch.where" in rows["aten.nonzero"].remedy
    assert all(row.limits and row.remedy for row in rows.values() if not row.supported)
    assert all("conv" in row.name for row in tinyml.operators("conv"))


def test_names_are_those_of_pytorch():
    for row in tinyml.operators():
        if not row.supported or not row.name.startswith("aten."):
            continue
        _, name, overload = row.name.split(".")
        packet = getattr(torch.ops.aten, name)
        assert overload in (*packet.overloads(), "functional"), row.name


def test_the_tool_filters_and_writes_json():
    listed = ops("conv")
    assert listed.returncode == 0
    assert "aten.conv2d.default" in listed.stdout
    assert "aten.relu.default" not in listed.stdout
    rows = json.loads(ops("--json").stdout)
    assert {row["name"] for row in rows} == set(tinyml.lowerable_operators())
    refused = json.loads(ops("nonzero", "--refused", "--json").stdout)
    assert refused[0]["remedy"]
    missing = ops("no_such_operator")
    assert missing.returncode == 1
    assert "no_such_operator" in missing.stderr
