"""What is computed for a divisor alone stays float, so that no divisor rounds to zero."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import convert_module, run_all
from tinyml import PostQuantizer, QATQuantizer
from tinyml.verification import measure_error


class Between(nn.Module):
    """A function of activations that are zero in places, and a layer that reads it."""

    def __init__(self, function):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.function = function
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.last(self.function(F.relu(self.first(x))))


def standardize(x):
    return (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-5)


LEAST_DB = 25.0
FUNCTIONS = {
    "normalize": lambda x: F.normalize(x, dim=1),
    "normalize_l1": lambda x: F.normalize(x, p=1.0, dim=-1),
    "standardize": standardize,
    "softmax": lambda x: x.exp() / x.exp().sum(1, keepdim=True),
    "shares": lambda x: x / (x.sum((2, 3), keepdim=True) + 1e-6),
    "rsqrt": lambda x: x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-3),
    "negative_power": lambda x: x * (x.square().mean(1, keepdim=True) + 1e-3) ** -0.5,
    "reciprocal": lambda x: x * (x.amax((2, 3), keepdim=True) + 1e-3).reciprocal(),
}


def batches():
    """The upper half is dark: its activations are all zero."""
    torch.manual_seed(1)
    found = [torch.randn(1, 3, 8, 8) for _ in range(4)]
    for batch in found:
        batch[:, :, :4] = 0
    return found


def make(name):
    torch.manual_seed(0)
    model = Between(FUNCTIONS[name]).eval()
    nn.init.constant_(model.first.bias, -0.1)
    return model


@pytest.mark.parametrize("name", FUNCTIONS)
def test_quotients_stay_finite_and_near_float(name, tmp_path):
    model, data = make(name), batches()
    quantizer = PostQuantizer(model, data[0], tmp_path)
    module = quantizer.calibrate(data)
    assert any("divisor" in each.reason for each in quantizer.report.float_operators)
    x = data[0]
    with torch.no_grad():
        expected, quantized = model(x), module(x)
    assert measure_error("module", expected.numpy(), quantized.numpy()).snr_db > LEAST_DB
    for error in run_all(convert_module(module, x), [x], [expected]):
        assert error.snr_db > LEAST_DB, error


@pytest.mark.parametrize("name", ["normalize", "standardize"])
def test_training_stays_finite(name, tmp_path):
    model, data = make(name).train(), batches()
    module = QATQuantizer(model, data[0], tmp_path).quantize().train()
    optimizer = torch.optim.SGD(module.parameters(), 1e-2)
    for batch in data * 3:
        module(batch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(p.isfinite().all() for p in module.state_dict().values())


class Gate(nn.Module):
    """The divisor is a result too, so that it has integers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.first(x)
        gate = x.sigmoid() + 1
        return self.last(x / gate), self.last(gate)


def test_divisors_that_others_read_are_integers(tmp_path):
    torch.manual_seed(0)
    quantizer = PostQuantizer(Gate(), batches()[0], tmp_path)
    quantizer.calibrate(batches())
    assert not quantizer.report.float_operators, str(quantizer.report)


def test_an_activation_of_a_layer_stays_with_it(tmp_path):
    torch.manual_seed(0)

    class Attenuated(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1)

        def forward(self, x):
            return self.first(x) / (F.relu(self.second(x)) + 1)

    quantizer = PostQuantizer(Attenuated(), batches()[0], tmp_path)
    quantizer.calibrate(batches())
    assert {each.op for each in quantizer.report.float_operators} == {"aten.add.Tensor"}
