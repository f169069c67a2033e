"""Training with rounding in the loop: learned scales, schedules, autocast, several processes."""

from __future__ import annotations

import copy
import importlib.util
import socket

import pytest
import torch
from torch import nn

import tinyml.nn as qnn
from conversion import convert_module
from tinyml import Error, QATQuantizer
from tinyml.verification import run_tflite


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(torch.relu(self.bn(self.conv(x)))).flatten(1))


INPUT = (4, 3, 8, 8)


def make(tmp_path, **config) -> nn.Module:
    torch.manual_seed(0)
    model = QATQuantizer(Net(), torch.randn(INPUT), tmp_path, config).quantize()
    with qnn.calibrating(model):
        model(torch.randn(INPUT))
    return model


def scales(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: module.scale.clone()
        for name, module in qnn.fake_quantizers(model)
        if not isinstance(module, qnn.Requantize)
    }


def train(model: nn.Module, parameters=None, steps: int = 3, **autocast) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters() if parameters is None else parameters, 0.01)
    losses = []
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(INPUT, generator=generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(autocast)):
            loss = model(x).float().square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_gradient_of_a_scale_is_that_of_the_paper(per_channel: bool) -> None:
    x = torch.linspace(-1.0, 1.0, 24).reshape(4, 6)
    fq = qnn.WeightFakeQuantize(4 if per_channel else None, quant_min=-7, quant_max=7)
    fq.scale.fill_(0.1)
    fq.learn_scale()
    fq.train()(x).sum().backward()
    ratio = x / 0.1
    inside = ratio.round().abs() <= 7  # ATen counts what rounds to an end as inside
    slope = torch.where(inside, ratio.round() - ratio, ratio.round().clamp(-7, 7))
    expected = slope.sum(1) if per_channel else slope.sum().reshape(1)
    factor = (7 * (6 if per_channel else 24)) ** -0.5
    torch.testing.assert_close(fq.learned_scale.grad, expected * factor)


def test_learned_scales_train_convert_and_stay(tmp_path) -> None:
    model = make(tmp_path, bits=4)
    before = scales(model)
    parameters = qnn.learn_scales(model)
    assert len(parameters) == len(before) > 4
    assert qnn.learn_scales(model) == parameters  # again changes nothing
    losses = train(model, parameters, steps=20)
    assert losses[-1] < losses[0]
    model.eval()
    after = scales(model)
    assert all(not torch.equal(before[name], after[name]) for name in before)
    for name, module in qnn.fake_quantizers(model):
        if name in after:
            torch.testing.assert_close(module.scale, module.learned_scale.detach())

    x = torch.randn(1, *INPUT[1:])
    file = convert_module(model, x)
    (output,) = run_tflite(file.to_bytes(), [x.numpy()], input_orders=file.input_orders)
    step = list(after.values())[-1].max().item()
    with torch.no_grad():
        expected = model(x)
    assert (torch.from_numpy(output) - expected).abs().max() <= 1.01 * step

    other = make(tmp_path, bits=4)
    other.load_state_dict(model.state_dict())  # the parameters come with the state
    other.eval()
    torch.testing.assert_close(other(x), expected)
    qnn.learn_scales(model, False)
    assert not any("learned_scale" in name for name in model.state_dict())
    model.train().eval()
    torch.testing.assert_close(scales(model), after)
    torch.testing.assert_close(model(x), expected)


def test_a_learned_scale_stays_positive() -> None:
    fq = qnn.FakeQuantize()
    with qnn.calibrating(fq):
        fq(torch.randn(10))
    fq.learn_scale()
    with torch.no_grad():
        fq.learned_scale.fill_(-1.0)
    assert fq.train()(torch.randn(10)).isfinite().all()
    assert fq.scale.item() > 0


def test_scales_that_do_not_exist_yet_cannot_be_learned(tmp_path) -> None:
    model = QATQuantizer(Net(), torch.randn(INPUT), tmp_path).quantize()
    with pytest.raises(Error, match=r"no data has passed .*calibrating"):
        qnn.learn_scales(model)


def test_schedule(tmp_path) -> None:
    model = make(tmp_path)
    schedule = qnn.QATSchedule(model, 10, fake_quant_from=0.2)
    activation = next(m for _, m in qnn.fake_quantizers(model) if isinstance(m, qnn.FakeQuantize))
    norm = next(m for m in model.modules() if isinstance(m, qnn.ConvBn2d))
    seen = []
    for _ in range(11):
        seen.append((activation.quantizing, activation.observing, norm.bn_frozen))
        saved = schedule.state_dict()
        schedule.step()
    rounding, observing, frozen = zip(*seen, strict=True)
    assert rounding == (False,) * 2 + (True,) * 9
    assert observing == (True,) * 6 + (False,) * 5
    assert frozen == (False,) * 4 + (True,) * 7
    other = make(tmp_path)
    resumed = qnn.QATSchedule(other, 10, fake_quant_from=0.2)
    resumed.load_state_dict(saved)
    assert resumed.progress == 1.0
    assert not next(qnn.fake_quantizers(other))[1].observing


def test_a_schedule_without_sense_is_refused(tmp_path) -> None:
    model = make(tmp_path)
    for arguments in ({"total": 0}, {"total": 5, "freeze_bn_at": -1}):
        with pytest.raises(Error):
            qnn.QATSchedule(model, **arguments)
    with pytest.raises(Error, match="before anything is rounded"):
        qnn.QATSchedule(model, 5, fake_quant_from=0.9, freeze_observers_at=0.5)
    with pytest.raises(Error, match="no FakeQuant"):
        qnn.QATSchedule(Net(), 5)


@pytest.mark.parametrize("learned", [False, True])
def test_autocast(tmp_path, learned: bool) -> None:
    model = make(tmp_path)
    parameters = qnn.learn_scales(model) if learned else []
    before = copy.deepcopy(model.state_dict())
    losses = train(model, bf16=True)
    assert all(torch.isfinite(torch.tensor(losses)))
    after = model.state_dict()
    assert all(after[name].dtype == value.dtype for name, value in before.items())
    assert all(parameter.grad is not None for parameter in parameters)


@pytest.mark.parametrize("observer", ["moving_average", "min_max"])
def test_state_dict_round_trip_in_the_middle_of_training(tmp_path, observer: str) -> None:
    model = make(tmp_path, algorithm=observer)
    train(model)
    other = make(tmp_path, algorithm=observer)
    other.load_state_dict(model.state_dict())
    assert train(other) == train(model)


def _worker(rank: int, port: int, code: str, path: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    spec = importlib.util.spec_from_file_location("net_q", code)
    generated = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generated)
    model = generated.QuantizedNet()
    model.load_state_dict(torch.load(path, weights_only=True))
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), 0.1)
    generator = torch.Generator().manual_seed(rank)
    for _ in range(3):
        loss = parallel(torch.randn(INPUT, generator=generator)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if rank == 0:
        torch.save(model.state_dict(), path + ".trained")
    torch.distributed.destroy_process_group()


def test_two_processes(tmp_path) -> None:
    model = make(tmp_path)
    qnn.learn_scales(model)
    path = str(tmp_path / "model.pth")
    state = copy.deepcopy(model.state_dict())
    torch.save(state, path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(_worker, (port, str(tmp_path / "net_q.py"), path), nprocs=2)
    trained = torch.load(path + ".trained", weights_only=True)
    changed = [name for name in state if not torch.equal(state[name], trained[name])]
    assert any(name.endswith("learned_scale") for name in changed)
    assert any(name.endswith("conv.weight") for name in changed)
    model.load_state_dict(trained)
    assert model.eval()(torch.randn(INPUT)).isfinite().all()
