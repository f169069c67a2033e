"""Our schema and enumerations against those of the runtime's own package."""

import inspect
import re
from pathlib import Path

import pytest

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "".join(
    (ROOT / "src/tflite" / name).read_text() for name in ("schema.fbs", "carried_options.fbs")
)

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
    assert set(theirs) == set(ours)


def test_type_numbers() -> None:
    theirs = enum_of("TensorType")
    ours = pairs_in_header("TINYML_TFLITE_TYPES")
    assert len(ours) > 15
    assert theirs == ours


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def tables() -> dict[str, list[tuple[str, int]]]:
    """Table name -> (field, slot) in our schema; a union's `id` names the second of its slots."""
    text = re.sub(r"//.*", "", SCHEMA)
    unions = set(re.findall(r"union (\w+)", text))
    result: dict[str, list[tuple[str, int]]] = {}
    for name, body in re.findall(r"table (\w+) \{(.*?)\}", text, re.S):
        fields: list[tuple[str, int]] = []
        slot = 0
        for field, kind, attributes in re.findall(r"(\w+):([^;( ]+)[^;(]*(\([^)]*\))?;", body):
            explicit = re.search(r"id: (\d+)", attributes)
            slot = int(explicit[1]) if explicit else slot + (kind in unions)
            fields.append((field, slot))
            slot += 1
        result[name] = fields
    return result


def test_table_fields() -> None:
    checked = 0
    for name, fields in tables().items():
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
    for union, body in re.findall(r"union (\w+) \{(.*?)\}", SCHEMA, re.S):
        ours = {name: int(number) for name, number in re.findall(r"(\w+) = (\d+)", body)}
        assert ours == {k: v for k, v in enum_of(union).items() if k != "NONE"}, union


def test_every_table_is_known() -> None:
    theirs = {
        name
        for name, value in vars(schema).items()
        if inspect.isclass(value) and hasattr(value, "GetRootAs")
    }
    assert theirs == set(tables())
    for name, fields in tables().items():
        adders = [f for f in vars(schema) if re.fullmatch(rf"{name}Add[A-Z]\w*", f)]
        adders = [a for a in adders if not a.endswith("Type") or a[:-4] not in adders]
        skipped = sum(f in ("unused", "new_height", "new_width") for f, _ in fields)
        assert len(adders) == len(fields) - skipped, name
