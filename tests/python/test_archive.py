"""PT2 archives: what tinyml reads and writes again loads, runs and trains in torch as before."""

import copy
import re
import zipfile
from pathlib import Path

import pytest
import torch
from models import ZOO
from torch.utils._pytree import tree_leaves

from nasty import CASES, Case
from tinyml import Error, Graph


def assert_same(actual, expected, tolerance=0.0):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def train_step(module, args, kwargs) -> dict[str, torch.Tensor]:
    """Gradients of a loss over all floating-point outputs."""
    module.zero_grad()
    outputs = tree_leaves(module(*args, **kwargs))
    differentiable = [
        output
        for output in outputs
        if isinstance(output, torch.Tensor) and output.is_floating_point() and output.requires_grad
    ]
    if differentiable:
        sum(output.float().nan_to_num().square().mean() for output in differentiable).backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in module.named_parameters(remove_duplicate=False)
        if parameter.grad is not None
    }


def reload(case: Case, folder: Path, normalized: bool) -> tuple[torch.nn.Module, Graph]:
    """The case's model after a way through tinyml, as torch loads it."""
    program = torch.export.export(
        case.build(), case.arguments(), case.kwargs, dynamic_shapes=case.dynamic_shapes
    )
    torch.export.save(program, folder / "model.pt2")
    graph = Graph.load(folder / "model.pt2", as_captured=not normalized)
    graph.verify()
    graph.save(folder / "again.pt2")
    return torch.export.load(folder / "again.pt2").module(), graph


# Torch cannot load its own archive of a module with an empty no_grad region.
ROUND_TRIPS = [
    pytest.param(name, normalized, id=f"{name}-{'normalized' if normalized else 'as_captured'}")
    for name in CASES
    for normalized in (False, True)
    if normalized or name != "Regions"
]


@pytest.mark.parametrize(("name", "normalized"), ROUND_TRIPS)
def test_round_trip(name: str, normalized: bool, tmp_path: Path) -> None:
    case = CASES[name]
    module, graph = reload(case, tmp_path, normalized)
    model = case.build()
    for _ in range(2):  # the second call sees the buffers that the first one wrote
        expected_args, args = case.arguments(), case.arguments()
        expected = model(*expected_args, **case.kwargs)
        assert_same(module(*args, **case.kwargs), expected, case.tolerance)
        assert_same(args, expected_args, case.tolerance)
    state = module.state_dict()
    assert set(state) == set(model.state_dict())
    for key, value in model.state_dict().items():
        assert_same(state[key], value, case.tolerance)
    if normalized:
        in_place = [node.op for node in graph.nodes if re.search(r"[a-z0-9]_\.|\.__i", node.op)]
        assert not in_place
        assert not [node.op for node in graph.nodes if "wrap_with" in node.op]


@pytest.mark.parametrize("name", sorted(set(CASES) - {"Regions", "MutatedInput", "Autocast"}))
def test_trains(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model = case.build()
    expected = train_step(model, case.arguments(), case.kwargs)
    module, _ = reload(case, tmp_path, normalized=True)
    gradients = train_step(module, case.arguments(), case.kwargs)
    assert_same(gradients, {key: value for key, value in expected.items() if key in gradients})
    # Tied parameters share their memory.
    assert len({p.data_ptr() for p in module.parameters()}) == len(list(model.parameters()))


@pytest.mark.parametrize("name", ZOO)
def test_zoo_round_trip(name: str, tmp_path: Path) -> None:
    case = Case(ZOO[name].small, (ZOO[name].example_input(),))
    module, _ = reload(case, tmp_path, normalized=True)
    model = case.build()
    assert_same(module(*case.inputs), model(*case.inputs))
    gradients = train_step(module, case.inputs, {})
    expected = train_step(model, case.inputs, {})
    assert set(gradients) == set(expected)
    assert_same(gradients, expected)


def test_other_sizes_of_a_dynamic_model(tmp_path: Path) -> None:
    module, _ = reload(CASES["Dynamic"], tmp_path, normalized=True)
    x = torch.randn(7, 4, 3)
    assert_same(module(x), CASES["Dynamic"].build()(x))
    with pytest.raises(Exception, match="64"):
        module(torch.randn(65, 4, 3))


def test_weights_are_views_of_the_file(tmp_path: Path) -> None:
    case = CASES["OddWeights"]
    _, graph = reload(case, tmp_path, normalized=True)
    tensors, state = graph.tensors(), case.build().state_dict()
    assert set(state) <= set(tensors)
    for name, value in state.items():
        assert torch.equal(torch.from_dlpack(tensors[name]), value), name
    strided = tensors["every_other"]
    assert not strided.flags.owndata
    assert not strided.flags.writeable
    assert strided.strides == (4, 32)
    del graph
    assert strided.sum() == pytest.approx(
        state["every_other"].sum().item()
    )  # keeps the mapping alive


def test_written_archives_are_plain_zips(tmp_path: Path) -> None:
    reload(CASES["Layers"], tmp_path, normalized=True)
    with zipfile.ZipFile(tmp_path / "again.pt2") as archive:
        assert archive.testzip() is None  # checksums
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            with archive.open(info) as entry:
                entry.read(1)
                offset = info.header_offset + 30 + len(info.filename)
            assert info.header_offset < offset
    assert not list(tmp_path.glob("*.tmp"))


def test_saving_over_the_file_it_was_read_from(tmp_path: Path) -> None:
    reload(CASES["Tied"], tmp_path, normalized=True)
    graph = Graph.load(tmp_path / "again.pt2")
    before = {name: copy.deepcopy(value) for name, value in graph.tensors().items()}
    graph.save(tmp_path / "again.pt2")
    for name, value in Graph.load(tmp_path / "again.pt2").tensors().items():
        assert (value == before[name]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: torch.save({"a": torch.zeros(1)}, path), "checkpoint"),
        (lambda path: torch.jit.script(torch.nn.ReLU()).save(path), "TorchScript"),
        (lambda path: path.write_bytes(b"not a zip file, but long enough to be one"), "directory"),
        (lambda path: path.write_bytes(b""), "too short"),
        (lambda path: path.mkdir(), "regular file"),
        (lambda path: None, "No such file"),
    ],
    ids=["checkpoint", "torchscript", "text", "empty", "folder", "missing"],
)
def test_other_files_are_refused_by_name(make, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    make(path)
    with pytest.raises(Error, match=message) as error:
        Graph.load(path)
    assert str(path) in str(error.value)


def test_failed_save_leaves_nothing(tmp_path: Path) -> None:
    _, graph = reload(CASES["MutatedInput"], tmp_path, normalized=True)
    with pytest.raises(Error, match="cannot create"):
        graph.save(tmp_path / "missing" / "model.pt2")
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(Error, match="cannot replace"):
        graph.save(tmp_path / "folder.pt2")
    assert not list(tmp_path.glob("*.tmp"))
