"""Files that no converter writes: they are refused, or read without harm."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tinyml._core import TFLiteModel, tflite_violations

from tflite_files import FileBuilder, options, quantization
from tinyml import Error


def test_zero_points_that_are_not_aligned_are_refused():
    file = FileBuilder()
    x = file.input([1, 2], np.int8, quantization=quantization([0.5, 0.25], [1, 7], 1))
    contents = bytearray(file.finish(x))
    table = schema.Model.GetRootAs(contents).Subgraphs(0).Tensors(x).Quantization()._tab
    field = table.Pos + table.Offset(10)  # zero_point: its vector begins 4 bytes later now
    start = int.from_bytes(contents[field : field + 4], "little")
    contents[field : field + 4] = (start + 4).to_bytes(4, "little")
    with pytest.raises(Error, match=r"zero points of tensor 't0' do not lie at a multiple of 8"):
        TFLiteModel.from_bytes(bytes(contents))


@pytest.mark.parametrize("zero_point", [-(2**63), 2**31])
def test_zero_points_of_more_than_32_bits_are_refused(zero_point):
    file = FileBuilder()
    x = file.input([1, 2], np.int8, quantization=quantization(0.5, zero_point))
    with pytest.raises(Error, match=r"tensor 't0' has the zero point -?\d+, which no runtime"):
        TFLiteModel.from_bytes(file.finish(x))


def test_options_that_are_not_aligned_are_refused():
    file = FileBuilder()
    x, y = file.input([1, 4]), file.tensor([1, 4])
    given = schema.StablehloTransposeOptionsT()
    given.permutation = [1, 1 << 34]  # whose second half is a length that fits
    number = schema.BuiltinOptions2.StablehloTransposeOptions
    file.op("STABLEHLO_TRANSPOSE", [x], [y], builtinOptions2=given, builtinOptions2Type=number)
    contents = bytearray(file.finish(y))
    table = schema.Model.GetRootAs(contents).Subgraphs(0).Operators(0)._tab
    options = table.Indirect(table.Pos + table.Offset(28))
    vtable = options - int.from_bytes(contents[options : options + 4], "little", signed=True)
    field = options + int.from_bytes(contents[vtable + 4 : vtable + 6], "little")
    start = int.from_bytes(contents[field : field + 4], "little")
    contents[field + start + 4 : field + start + 8] = (1).to_bytes(4, "little")
    contents[field : field + 4] = (start + 4).to_bytes(4, "little")
    with pytest.raises(Error, match="options do not lie at a multiple of 8"):
        TFLiteModel.from_bytes(bytes(contents))


@pytest.mark.parametrize("slot", [10, 26])
def test_options_beside_a_type_of_none_are_not_read(slot):
    """No verifier looks into them: here what says where their fields are is some text."""
    file = FileBuilder()
    x, y = file.input([1, 4]), file.tensor([1, 4])
    given = "SVDFOptions" if slot == 10 else "StablehloGatherOptions"
    kind = "SVDF" if slot == 10 else "STABLEHLO_GATHER"
    file.op(kind, [x], [y], options(given))
    contents = bytearray(file.finish(y))
    table = schema.Model.GetRootAs(contents).Subgraphs(0).Operators(0)._tab
    kind_at, options_at = (table.Pos + table.Offset(field) for field in (slot, slot + 2))
    assert contents[kind_at] != 0
    contents[kind_at] = 0
    far = next(
        at
        for at in range(options_at + 4, len(contents) - 4)
        if int.from_bytes(contents[at : at + 4], "little", signed=True) > 1 << 28
    )
    contents[options_at : options_at + 4] = (far - options_at).to_bytes(4, "little")
    assert TFLiteModel.from_bytes(bytes(contents)).operators == {kind: 1}


def test_an_empty_tensor_is_not_read_before_it_is_made():
    file = FileBuilder()
    x, y = file.input([1, 4]), file.tensor([1, 0])
    file.op("CUSTOM", [x, y], [y], custom="Loop")
    model = TFLiteModel.from_bytes(file.finish(y))
    assert any("before it is computed" in str(found) for found in model.violations())
    with pytest.raises(Error, match="before it is computed"):
        model.optimize()


@pytest.mark.parametrize(("channels", "stride"), [(0, 1), (2, 0)])
def test_convolutions_of_no_channels_or_no_stride_are_refused(channels, stride):
    file = FileBuilder()
    x, y = file.input([1, 4, 4, channels]), file.tensor([1, 4, 4, 3])
    weight = file.constant(np.zeros((3, 1, 1, 2), np.float32))
    bias = file.constant(np.zeros(3, np.float32))
    strides = {"strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1}
    file.op("CONV_2D", [x, weight, bias], [y], options("Conv2DOptions", **strides))
    model = TFLiteModel.from_bytes(file.finish(y))
    assert model.violations()
    with pytest.raises(Error, match=r"channels|stride"):
        model.optimize()


@pytest.mark.parametrize("op", ["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"])
def test_blocks_of_no_size_are_refused(op):
    file = FileBuilder()
    x, y = file.input([1, 4, 4, 4]), file.tensor([1, 4, 4, 4])
    name = "".join(word.capitalize() for word in op.split("_")) + "Options"
    file.op(op, [x], [y], options(name, blockSize=0))
    model = TFLiteModel.from_bytes(file.finish(y))
    with pytest.raises(Error, match="block size"):
        model.optimize()


@pytest.mark.parametrize("op", ["QUANTIZE", "DEQUANTIZE"])
def test_conversions_without_a_scale_are_refused(op):
    file = FileBuilder()
    if op == "QUANTIZE":
        source = file.constant(np.ones((1, 4), np.float32))
        target = file.tensor([1, 4], np.int8)
    else:
        source = file.constant(np.ones((1, 4), np.int8))
        target = file.tensor([1, 4])
    file.op(op, [source], [target])
    model = TFLiteModel.from_bytes(file.finish(target))
    with pytest.raises(Error, match="without a scale"):
        model.optimize()


@pytest.mark.parametrize(("scales", "dimension"), [(3, 1), (2, 7)])
def test_scales_fit_the_channels(scales, dimension):
    file = FileBuilder()
    x = file.input([1, 2], np.int8, quantization=quantization([0.5] * scales, 0, dimension))
    y = file.tensor([1, 2])
    file.op("DEQUANTIZE", [x], [y])
    model = TFLiteModel.from_bytes(file.finish(y))
    with pytest.raises(Error, match=rf"{scales} scales do not fit dimension {dimension}"):
        model.optimize()


def test_a_reshape_without_operands_is_written_as_it_was_read():
    file = FileBuilder()
    x = file.input([1, 4])
    file.op("RESHAPE", [], [], options("ReshapeOptions"))
    once = TFLiteModel.from_bytes(file.finish(x)).to_bytes()
    assert TFLiteModel.from_bytes(once).to_bytes() == once
    assert tflite_violations(once)


def test_empty_statistics_are_not_carried():
    """Kept, they would be an empty table in the first file written and nothing in the next."""
    file = FileBuilder()
    parameters = schema.QuantizationParametersT()
    parameters.min, parameters.max = np.zeros(0, np.float32), np.zeros(0, np.float32)
    x, y = file.input([1, 4]), file.tensor([1, 4], quantization=parameters)
    file.op("RELU", [x], [y])
    once = TFLiteModel.from_bytes(file.finish(y)).to_bytes()
    assert TFLiteModel.from_bytes(once).to_bytes() == once


@pytest.mark.parametrize("where", ["input", "variable"])
def test_operators_write_no_inputs_and_no_states(where):
    """Such an operator would wait for itself where operators are put in order."""
    file = FileBuilder()
    x = file.input([1, 4])
    state = x if where == "input" else file.tensor([1, 4], isVariable=True)
    file.op("CUSTOM", [x, state], [state], custom="Step")
    model = TFLiteModel.from_bytes(file.finish(state))
    assert model.violations()
    with pytest.raises(Error, match=r"another producer|before it is computed"):
        model.optimize()


@pytest.mark.parametrize("contents", [False, True])
def test_what_is_made_from_a_variable_is_none(contents):
    file = FileBuilder()
    x, y = file.input([1, 2, 4]), file.tensor([1, 2, 4])
    state = file.constant(np.ones(4, np.float32)) if contents else file.tensor([4])
    file.graph.tensors[state].isVariable = True
    file.op("MUL", [x, state], [y])
    model = TFLiteModel.from_bytes(file.finish(y))
    model.optimize()
    assert not model.violations()


@pytest.mark.parametrize(("op", "operands"), [("PAD", 1), ("SLICE", 2), ("TILE", 1), ("MEAN", 1)])
def test_attributes_are_integers(op, operands):
    file = FileBuilder()
    x = file.input([1, 4])
    z, y = file.tensor([1, 4]), file.tensor([1, 4])
    file.op("RELU", [x], [z])
    file.op(op, [x, *[z] * operands], [y])
    model = TFLiteModel.from_bytes(file.finish(y))
    assert model.violations()
    with pytest.raises(Error, match="integers are needed"):
        model.optimize()


@pytest.mark.parametrize("op", ["PAD", "TILE", "TRANSPOSE"])
def test_computed_attributes_fit_the_axes(op):
    file = FileBuilder()
    x, how = file.input([1, 4]), file.input([3], np.int32)
    y = file.tensor([1, 4])
    file.op(op, [x, how], [y])
    model = TFLiteModel.from_bytes(file.finish(y))
    with pytest.raises(Error, match="for each of 2 axes"):
        model.optimize()


@pytest.mark.parametrize("what", ["details", "sparsity"])
def test_unions_that_name_a_type_and_hold_nothing(what):
    file = FileBuilder()
    parameters = schema.QuantizationParametersT()
    parameters.min = np.zeros(1, np.float32)
    fields = {"quantization": parameters}
    if what == "details":
        parameters.detailsType = schema.QuantizationDetails.CustomQuantization
    else:
        fields["sparsity"] = schema.SparsityParametersT()
        dimension = schema.DimensionMetadataT()
        dimension.arraySegmentsType = schema.SparseIndexVector.Int32Vector
        fields["sparsity"].dimMetadata = [dimension]
    x, y = file.input([1, 4]), file.tensor([1, 4], **fields)
    file.op("RELU", [x], [y])
    once = TFLiteModel.from_bytes(file.finish(y)).to_bytes()
    assert TFLiteModel.from_bytes(once).to_bytes() == once
