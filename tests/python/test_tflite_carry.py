"""What this project never makes passes through the reader, every pass and the writer untouched."""

import random

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tinyml._core import TFLiteModel, tflite_violations

from tflite_files import OPS, FileBuilder, options, quantization, run, unpack
from tinyml import Error

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def plain(value):
    """Tables as dictionaries, arrays as lists: comparable."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "__dict__"):
        return {name: plain(item) for name, item in vars(value).items()}
    return value


def carried(contents: bytes) -> bytes:
    model = TFLiteModel.from_bytes(contents)
    copy = model.to_bytes()
    model.optimize()
    optimized = model.to_bytes()
    again = TFLiteModel.from_bytes(optimized)
    assert again.to_bytes() == TFLiteModel.from_bytes(again.to_bytes()).to_bytes()
    assert TFLiteModel.from_bytes(copy).to_bytes() == copy
    return optimized


def random_table(table: type, seed: random.Random):
    """Every field of an options table set to something."""
    value = table()
    for name, default in vars(value).items():
        if isinstance(default, bool):
            setattr(value, name, not default)
        elif isinstance(default, int):
            setattr(value, name, seed.randint(1, 100))
        elif isinstance(default, float):
            setattr(value, name, seed.random())
        else:  # A vector or a string; which, only packing tells.
            setattr(value, name, None)
    return value


def operator_of(contents: bytes, number: int):
    model = unpack(contents)
    found = [
        op
        for graph in model.subgraphs
        for op in graph.operators
        if model.operatorCodes[op.opcodeIndex].builtinCode == number
    ]
    assert len(found) == 1
    return found[0], model.operatorCodes[found[0].opcodeIndex]


VECTORS = {
    "StablehloGatherOptions": {"offsetDims": [1, 2], "sliceSizes": [3], "indexVectorDim": 4},
    "StablehloDotGeneralOptions": {"lhsContractingDimensions": [1], "precisionConfig": [0, 1]},
    "StablehloCustomCallOptions": {
        "callTargetName": "target",
        "backendConfig": "config",
        "customAttributes": [1, 2, 3],
        "hasSideEffect": True,
    },
    "StablehloConvolutionOptions": {"windowStrides": [2, 2], "windowReversal": [True, False]},
    "StableHLOCompositeOptions": {
        "name": "odml.rms_norm",
        "compositeAttributes": [7, 8],
        "version": 2,
    },
    "StablehloPadOptions": {"edgePaddingLow": [0, 1], "interiorPadding": [2]},
    "ReduceWindowOptions": {"reduceFunction": 3},
}
OPERATORS_2 = {
    "StablehloGatherOptions": "STABLEHLO_GATHER",
    "StablehloDotGeneralOptions": "STABLEHLO_DOT_GENERAL",
    "StablehloCustomCallOptions": "STABLEHLO_CUSTOM_CALL",
    "StablehloConvolutionOptions": "STABLEHLO_CONVOLUTION",
    "StableHLOCompositeOptions": "STABLEHLO_COMPOSITE",
    "StablehloPadOptions": "STABLEHLO_PAD",
    "ReduceWindowOptions": "REDUCE_WINDOW",
}


@pytest.mark.parametrize("table", sorted(VECTORS))
def test_second_options_are_carried(table):
    file = FileBuilder()
    x = file.input([1, 4])
    y, z = file.tensor([1, 4]), file.tensor([1, 4])
    given = options(table, **VECTORS[table])
    file.op(OPERATORS_2[table], [x], [y], given, version=3)
    file.op("RELU", [y], [z])
    contents = carried(file.finish(z))
    operator, code = operator_of(contents, OPS[OPERATORS_2[table]])
    assert code.version == 3
    kept = plain(operator.builtinOptions2)
    for name, value in VECTORS[table].items():
        assert kept[name] == value


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("SVDF", "SVDFOptions"),
        ("RNN", "RNNOptions"),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", "SequenceRNNOptions"),
        ("BIDIRECTIONAL_SEQUENCE_RNN", "BidirectionalSequenceRNNOptions"),
        ("LSH_PROJECTION", "LSHProjectionOptions"),
        ("SKIP_GRAM", "SkipGramOptions"),
        ("EMBEDDING_LOOKUP_SPARSE", "EmbeddingLookupSparseOptions"),
        ("SPARSE_TO_DENSE", "SparseToDenseOptions"),
        ("UNIQUE", "UniqueOptions"),
        ("HASHTABLE", "HashtableOptions"),
    ],
)
def test_options_of_operators_never_made_are_carried(kind, table):
    file = FileBuilder()
    x = file.input([1, 4])
    y = file.tensor([1, 4])
    given = random_table(getattr(schema, table + "T"), random.Random(1))
    file.op(kind, [x], [y], given, version=4)
    operator, code = operator_of(carried(file.finish(y)), OPS[kind])
    assert code.version == 4
    assert plain(operator.builtinOptions) == plain(given)


def test_fields_that_repeat_a_default_are_none():
    """As a mutated file had them; written back they are gone, so they must not count as fields."""
    file = FileBuilder()
    x = file.input([1, 4])
    y = file.tensor([1, 4])
    file.op("HASHTABLE", [x], [y], options("HashtableOptions"))
    contents = file.finish(y, force_defaults=True)
    assert unpack(contents).subgraphs[0].operators[0].builtinOptions is not None
    carried(contents)


def test_boundaries_variables_and_custom_operators_are_carried():
    file = FileBuilder()
    x = file.input([1, 4])
    y, z = file.tensor([1, 4]), file.tensor([1, 4])
    file.op("BUCKETIZE", [x], [y], options("BucketizeOptions", boundaries=[1.0, 2.0]))
    file.op(
        "CUSTOM", [y], [z], custom="MyOp", version=2, customOptions=np.array([9, 8, 7], np.uint8)
    )
    handle = file.tensor([], schema.TensorType.RESOURCE)
    file.op("VAR_HANDLE", [], [handle], options("VarHandleOptions", container="c", sharedName="s"))
    file.op("ASSIGN_VARIABLE", [handle, z], [])
    contents = carried(file.finish(z))
    model = unpack(contents)
    assert plain(operator_of(contents, OPS["BUCKETIZE"])[0].builtinOptions) == {
        "boundaries": [1, 2]
    }
    custom, code = operator_of(contents, OPS["CUSTOM"])
    assert (code.customCode, code.version) == (b"MyOp", 2)
    assert custom.customOptions.tolist() == [9, 8, 7]
    kept = plain(operator_of(contents, OPS["VAR_HANDLE"])[0].builtinOptions)
    assert kept == {"container": "c", "sharedName": "s"}
    kinds = [model.operatorCodes[op.opcodeIndex].builtinCode for op in model.subgraphs[0].operators]
    assert kinds.index(OPS["ASSIGN_VARIABLE"]) == len(kinds) - 1


def test_an_operator_of_the_future_is_carried():
    file = FileBuilder()
    x = file.input([1, 4])
    y = file.tensor([1, 4])
    file.op(250, [x], [y], version=5)
    contents = carried(file.finish(y))
    assert operator_of(contents, 250)[1].version == 5
    assert TFLiteModel.from_bytes(contents).operators == {"operator 250": 1}


def test_sparse_weights_statistics_and_metadata_are_carried():
    file = FileBuilder()
    statistics = schema.QuantizationParametersT()
    statistics.min, statistics.max = np.array([-1], np.float32), np.array([2], np.float32)
    x = file.input([2, 4], quantization=statistics)
    rows = options("DimensionMetadata", format=0, denseSize=3)
    columns = options(
        "DimensionMetadata",
        format=1,
        arraySegmentsType=schema.SparseIndexVector.Int32Vector,
        arraySegments=options("Int32Vector", values=[0, 1, 2, 3]),
        arrayIndicesType=schema.SparseIndexVector.Uint8Vector,
        arrayIndices=options("Uint8Vector", values=[0, 2, 3]),
    )
    sparsity = options("SparsityParameters", traversalOrder=[0, 1], dimMetadata=[rows, columns])
    weights = file.constant(np.array([1, 2, 3], np.float32), shape=[3, 4], sparsity=sparsity)
    y, z = file.tensor([2, 3]), file.tensor([2, 3])
    file.op("FULLY_CONNECTED", [x, weights, -1], [y], options("FullyConnectedOptions"), version=8)
    file.op("RELU", [y], [z])
    entry = schema.MetadataT()
    entry.name, entry.buffer = "min_runtime_version", file.buffer(b"2.3.0")
    file.model.metadata.append(entry)
    contents = carried(file.finish(z))
    model = unpack(contents)
    by_shape = {tuple(t.shape): t for t in model.subgraphs[0].tensors}
    kept = by_shape[3, 4]
    assert plain(kept.sparsity) == plain(sparsity)
    assert model.buffers[kept.buffer].data.tobytes() == np.array([1, 2, 3], np.float32).tobytes()
    assert by_shape[2, 4].quantization.max.tolist() == [2]
    assert model.metadata[0].name == b"min_runtime_version"
    assert model.buffers[model.metadata[0].buffer].data.tobytes() == b"2.3.0"


def test_block_wise_scales_follow_their_tensors():
    file = FileBuilder()
    unused = file.tensor([7])
    scales = file.constant(np.ones((3, 1), np.float32))
    x = file.input([2, 4])
    blocks = schema.QuantizationParametersT()
    blocks.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    blocks.details = options("BlockwiseQuantization", scales=scales, zeroPoints=0, blockSize=4)
    weights = file.constant(np.ones((3, 4), np.int8), quantization=blocks)
    y = file.tensor([2, 3])
    file.op("FULLY_CONNECTED", [x, weights, -1], [y], options("FullyConnectedOptions"), version=12)
    model = unpack(carried(file.finish(y)))
    tensors = model.subgraphs[0].tensors
    assert unused == 0
    details = next(t.quantization.details for t in tensors if t.type == schema.TensorType.INT8)
    assert details.blockSize == 4
    assert tensors[details.scales].shape.tolist() == [3, 1]


def test_external_buffers_are_carried():
    file = FileBuilder()
    x = file.input([2, 4])
    y = file.tensor([2, 3])
    weights = file.tensor([3, 4], externalBuffer=1)
    group = options("ExternalBufferGroup", name="weights.bin")
    external = options("ExternalBuffer", id=1, group=0, offset=64, length=48, packing="none")
    file.model.externalBufferGroups, file.model.externalBuffers = [group], [external]
    file.op("FULLY_CONNECTED", [x, weights, -1], [y], options("FullyConnectedOptions"))
    model = unpack(carried(file.finish(y)))
    assert model.externalBufferGroups[0].name == b"weights.bin"
    assert model.externalBuffers[0].length == 48
    assert [t.externalBuffer for t in model.subgraphs[0].tensors if list(t.shape) == [3, 4]] == [1]


def test_several_subgraphs_and_signatures_still_run():
    file = FileBuilder()
    for index, kind in enumerate(("RELU", "TANH")):
        if index:
            file.add_subgraph("second")
        x = file.input([1, 4])
        y = file.tensor([1, 4])
        file.op(kind, [x], [y])
        file.graph.outputs = [y]
        file.signature(f"signature_{index}", index)
    contents = carried(file.finish())
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=contents)
    x = normal(1, 4)
    for key, function in (("signature_0", lambda v: np.maximum(v, 0)), ("signature_1", np.tanh)):
        result = interpreter.get_signature_runner(key)(x0=x)["y0"]
        np.testing.assert_allclose(result, function(x), atol=1e-6)


def test_an_initialised_variable_still_counts():
    """CALL_ONCE, VAR_HANDLE, READ_VARIABLE and ASSIGN_VARIABLE keep their order and effect."""
    file = FileBuilder()
    file.add_subgraph("init")
    names = {"container": "", "sharedName": "v"}
    handle = file.tensor([], schema.TensorType.RESOURCE)
    file.op("VAR_HANDLE", [], [handle], options("VarHandleOptions", **names))
    file.op("ASSIGN_VARIABLE", [handle, file.constant(np.array([1.0], np.float32))], [])
    file.graph = file.model.subgraphs[0]
    x = file.input([1])
    handle = file.tensor([], schema.TensorType.RESOURCE)
    value, total, after = file.tensor([1]), file.tensor([1]), file.tensor([1])
    file.op("CALL_ONCE", [], [], options("CallOnceOptions", initSubgraphIndex=1))
    file.op("VAR_HANDLE", [], [handle], options("VarHandleOptions", **names))
    file.op("READ_VARIABLE", [handle], [value])
    file.op("ADD", [value, x], [total], options("AddOptions"))
    file.op("ASSIGN_VARIABLE", [handle, total], [])
    file.op("READ_VARIABLE", [handle], [after])
    file.signature()
    original = file.finish(value, after)
    from ai_edge_litert.interpreter import Interpreter

    for contents in (original, carried(original)):
        interpreter = Interpreter(model_content=contents)
        interpreter.allocate_tensors()
        seen = []
        for _ in range(3):
            interpreter.set_tensor(
                interpreter.get_input_details()[0]["index"], np.array([2], np.float32)
            )
            interpreter.invoke()
            seen.append(
                [
                    float(interpreter.get_tensor(d["index"])[0])
                    for d in interpreter.get_output_details()
                ]
            )
        assert seen == [[1, 3], [3, 5], [5, 7]]


def test_what_would_get_lost_is_refused():
    """A table of options that the format did not have yet."""
    file = FileBuilder()
    x = file.input([1, 4])
    y = file.tensor([1, 4])
    file.op("SVDF", [x], [y], options("SVDFOptions", rank=3))
    contents = bytearray(file.finish(y))
    table = schema.Model.GetRootAs(contents).Subgraphs(0).Operators(0)._tab
    contents[table.Pos + table.Offset(10)] = 200  # The union's number.
    with pytest.raises(Error, match="update tinyml"):
        TFLiteModel.from_bytes(bytes(contents))


def test_buffers_behind_the_flatbuffer_are_read():
    file = FileBuilder()
    x = file.input([1, 4])
    values = normal(1, 4)
    y = file.tensor([1, 4])
    buffer = schema.BufferT()
    buffer.offset, buffer.size = 1 << 20, values.nbytes
    file.model.buffers.append(buffer)
    constant = file.tensor([1, 4], buffer=len(file.model.buffers) - 1)
    file.op("ADD", [x, constant], [y], options("AddOptions"))
    contents = file.finish(y)
    contents = contents.ljust(1 << 20, b"\0") + values.tobytes()
    expected = run(contents, np.ones((1, 4), np.float32))[0]
    np.testing.assert_allclose(expected, 1 + values)
    np.testing.assert_array_equal(run(carried(contents), np.ones((1, 4), np.float32))[0], expected)


def test_quantization_of_the_file_is_checked():
    file = FileBuilder()
    x = file.input([1, 4], np.int8, quantization=quantization(0.5, 3))
    y = file.tensor([4, 1], np.int8, quantization=quantization(0.25, 3))
    file.op("RESHAPE", [x, file.constant(np.array([4, 1], np.int32))], [y])
    found = tflite_violations(file.finish(y))
    assert any("same scale" in line for line in found)
