"""Our schema and enumerations against those of the runtime's own package."""

import inspect
import re
from pathlib import Path

import pytest

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
ROOT = Path(__file__).resolve().parents[2]

# Fields whose names say more here than in the format.
RENAMED = {
    "activation": "fusedActivationFunction",
    "dilationW": "dilationWFactor",
    "dilationH": "dilationHFactor",
    "dilationD": "dilationDFactor",
    "inType": "inDataType",
    "outType": "outDataType",
    "kernel": "kernelType",
    "thenSubgraph": "thenSubgraphIndex",
    "elseSubgraph": "elseSubgraphIndex",
    "condSubgraph": "condSubgraphIndex",
    "bodySubgraph": "bodySubgraphIndex",
    "detailsOffset": "details",
    "builtinOptions2Type": "builtinOptions2Type",
}


def enum_of(name: str) -> dict[str, int]:
    return {k: v for k, v in vars(getattr(schema, name)).items() if not k.startswith("_")}


def pairs_in_header(macro: str) -> dict[str, int]:
    text = (ROOT / "include/tinyml/tflite_ops.h").read_text()
    body = text[text.index(f"#define {macro}(X)") :].split("\n\n")[0]
    found = re.findall(r"X\((\w+),[\s\\]*(\d+)(?:,[\s\\]*\d+)?\)", body)
    return {name: int(number) for name, number in found}


def test_operator_numbers() -> None:
    theirs = enum_of("BuiltinOperator")
    ours = pairs_in_header("TINYML_TFLITE_OPS")
    assert len(ours) > 160
    assert {k: theirs[k] for k in ours} == ours
    assert {k for k in theirs if not k.startswith("STABLEHLO_")} == set(ours)


def test_type_numbers() -> None:
    theirs = enum_of("TensorType")
    ours = pairs_in_header("TINYML_TFLITE_TYPES")
    assert len(ours) > 15
    assert {k: theirs[k] for k in ours} == ours


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def tables() -> dict[str, list[tuple[str, int]]]:
    """Table name -> (field, slot) in our schema; a union's `id` names the second of its slots."""
    text = re.sub(r"//.*", "", (ROOT / "src/tflite/schema.fbs").read_text())
    result: dict[str, list[tuple[str, int]]] = {}
    for name, body in re.findall(r"table (\w+) \{(.*?)\}", text, re.S):
        fields: list[tuple[str, int]] = []
        for index, (field, attributes) in enumerate(re.findall(r"(\w+):[^;(]+(\([^)]*\))?;", body)):
            explicit = re.search(r"id: (\d+)", attributes)
            fields.append((field, int(explicit[1]) if explicit else index))
        result[name] = fields
    return result


def test_table_fields() -> None:
    checked = 0
    for name, fields in tables().items():
        if name == "UnreadTable":
            continue
        for field, slot in fields:
            if field in ("unused", "new_height", "new_width"):
                continue
            key = camel(field)
            their_name = RENAMED.get(key, key)
            if name == "ShapeOptions":
                their_name = "outType"
            adder = getattr(schema, f"{name}Add{their_name[0].upper()}{their_name[1:]}", None)
            assert adder is not None, f"{name}.{field} is no field of the format"
            theirs = re.search(r"Slot\((\d+),", inspect.getsource(adder))
            assert theirs is not None, adder
            assert int(theirs[1]) == slot, f"{name}.{field} has slot {slot}"
            checked += 1
    assert checked > 140


def test_union_numbers() -> None:
    text = (ROOT / "src/tflite/schema.fbs").read_text()
    body = text[text.index("union BuiltinOptions") :].split("}")[0]
    ours = {name: int(number) for name, number in re.findall(r"(\w+) = (\d+)", body)}
    theirs = enum_of("BuiltinOptions")
    assert len(ours) > 40
    assert {k: theirs[k] for k in ours} == ours
