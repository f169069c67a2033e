"""Builds .tflite files with the runtime's own schema, as other converters write them."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}
OPS = {
    name: number
    for name, number in vars(schema.BuiltinOperator).items()
    if not name.startswith("_")
}


def quantization(scale: Any, zero_point: Any = 0, dimension: int = 0) -> Any:
    parameters = schema.QuantizationParametersT()
    parameters.scale = np.atleast_1d(np.asarray(scale, np.float32))
    parameters.zeroPoint = np.broadcast_to(
        np.asarray(zero_point, np.int64), parameters.scale.shape
    ).copy()
    parameters.quantizedDimension = dimension
    return parameters


class FileBuilder:
    """One file; `graph` is the subgraph that the methods add to."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "MLIR Converted."
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.model.subgraphs = []
        self.model.signatureDefs = []
        self.model.metadata = []
        self.add_subgraph("main")

    def add_subgraph(self, name: str) -> None:
        self.graph = schema.SubGraphT()
        self.graph.name = name
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs.append(self.graph)

    def tensor(self, shape: Any, dtype: Any = np.float32, **fields: Any) -> int:
        tensor = schema.TensorT()
        tensor.shape = list(shape)
        tensor.type = TYPES.get(np.dtype(dtype)) if not isinstance(dtype, int) else dtype
        tensor.buffer = 0
        tensor.hasRank = True
        tensor.name = f"t{len(self.graph.tensors)}"
        for name, value in fields.items():
            assert hasattr(tensor, name), name
            setattr(tensor, name, value)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def buffer(self, contents: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(contents, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def constant(self, values: Any, **fields: Any) -> int:
        values = np.ascontiguousarray(values)
        shape = fields.pop("shape", values.shape)
        return self.tensor(shape, values.dtype, buffer=self.buffer(values.tobytes()), **fields)

    def input(self, shape: Any, dtype: Any = np.float32, **fields: Any) -> int:
        index = self.tensor(shape, dtype, **fields)
        self.graph.inputs.append(index)
        return index

    def op(
        self,
        kind: str | int,
        inputs: list[int],
        outputs: list[int],
        options: Any = None,
        *,
        version: int = 1,
        custom: str | None = None,
        **fields: Any,
    ) -> Any:
        number = OPS[kind] if isinstance(kind, str) else kind
        code = schema.OperatorCodeT()
        code.builtinCode = number
        code.deprecatedBuiltinCode = min(number, 127)
        code.customCode = custom
        code.version = version
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if options is not None:
            name = type(options).__name__[:-1]
            if hasattr(schema.BuiltinOptions, name):
                operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
                operator.builtinOptions = options
            else:
                operator.builtinOptions2Type = getattr(schema.BuiltinOptions2, name)
                operator.builtinOptions2 = options
        for name, value in fields.items():
            assert hasattr(operator, name), name
            setattr(operator, name, value)
        self.graph.operators.append(operator)
        return operator

    def signature(self, key: str = "serving_default", subgraph: int = 0) -> None:
        graph = self.model.subgraphs[subgraph]
        definition = schema.SignatureDefT()
        definition.signatureKey = key
        definition.subgraphIndex = subgraph
        definition.inputs, definition.outputs = [], []
        for prefix, ids, entries in (
            ("x", graph.inputs, definition.inputs),
            ("y", graph.outputs, definition.outputs),
        ):
            for position, index in enumerate(ids):
                entry = schema.TensorMapT()
                entry.name, entry.tensorIndex = f"{prefix}{position}", index
                entries.append(entry)
        self.model.signatureDefs.append(definition)

    def finish(self, *outputs: int, force_defaults: bool = False) -> bytes:
        if outputs:
            self.model.subgraphs[0].outputs = list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.ForceDefaults(force_defaults)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def options(name: str, /, **fields: Any) -> Any:
    table = getattr(schema, name + "T")()
    for field, value in fields.items():
        assert hasattr(table, field), field
        setattr(table, field, value)
    return table


def unpack(contents: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(contents, 0)


def run(contents: bytes, *inputs: Any, kernels: str = "builtin") -> list[Any]:
    """Runs a file on values in the file's own layout."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {
        "xnnpack": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }[kernels]
    interpreter = Interpreter(
        model_content=contents, num_threads=1, experimental_op_resolver_type=resolver
    )
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
