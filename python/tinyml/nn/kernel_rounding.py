"""How kernels come to integers, beside the nearest ones that fake quantization gives."""

from __future__ import annotations

import torch

from tinyml import _core
from tinyml.nn.rounding import along_axis

_UNKNOWN, _ONCE, _TWICE, _BYTES, _UP, _AWAY = range(6)  # tinyml::KernelScaling::Kind


class KernelRounding:
    """What stands in front of one FakeQuant, from ``tinyml._core.kernel_roundings``: the same as
    ``tinyml::KernelScaling::level`` of each value, in float64."""

    def __init__(self, found: _core.KernelRounding) -> None:
        self.found = found
        scalings = found.scalings
        self._kinds = torch.tensor([scaling.kind for scaling in scalings])
        self._multipliers = torch.tensor([s.multiplier for s in scalings], dtype=torch.float64)
        self._more_bits = torch.tensor([scaling.more_bits for scaling in scalings])
        self._negative = scalings[0].negative

    def __call__(
        self, x: torch.Tensor, scale: torch.Tensor | float, zero_point: torch.Tensor | int
    ) -> torch.Tensor:
        """The multiples of scale that the kernel gives for x, not clamped."""
        device = x.device
        steps = (x.cpu() if device.type == "mps" else x).double() / scale
        kinds, multipliers, more_bits = (
            self._along(part.to(steps.device), steps)
            for part in (self._kinds, self._multipliers, self._more_bits)
        )
        if self._negative != 1:
            multipliers = torch.where(steps < 0, multipliers * self._negative, multipliers)
        known = (kinds != _UNKNOWN) & (multipliers != 0)
        n = _integers(steps / torch.where(known, multipliers, 1))
        found = self._kinds.unique().tolist()
        if len(found) == 1 and bool(known.all()):
            levels = _scale(found[0], n, multipliers, more_bits, zero_point)
        else:
            levels = steps.round()
            for kind in found:
                if kind != _UNKNOWN:
                    scaled = _scale(kind, n, multipliers, more_bits, zero_point)
                    levels = torch.where(known & (kinds == kind), scaled, levels)
        return (levels * scale).to(device, x.dtype)

    def _along(self, values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if values.numel() == 1:
            return values
        if self.found.axis == 0:
            return values.reshape(1, *x.shape[1:])
        return along_axis(values, x.dim(), self.found.axis)


def _integers(exact: torch.Tensor) -> torch.Tensor:
    """The integers that the kernel has. What a clamp has cut off is none; sums in float32 are
    within 2^-19 of one."""
    nearest = exact.round()
    return torch.where((exact - nearest).abs() <= 2.0**-19 * nearest.abs() + 0.05, nearest, exact)


def _scale(
    kind: int,
    n: torch.Tensor,
    multiplier: torch.Tensor,
    more_bits: torch.Tensor,
    zero_point: torch.Tensor | int,
) -> torch.Tensor:
    """n * multiplier, rounded as the kind says."""
    if kind == _ONCE:
        return (n.float() * multiplier.float()).double().round()
    if kind == _TWICE:
        fraction, exponent = torch.frexp(multiplier)
        parts = torch.exp2((more_bits - exponent).clamp(0, 31).double())
        stored = torch.ldexp((fraction * 2.0**31).round(), exponent - 31)
        return _away((n * stored * parts + 0.5).floor() / parts)
    if kind == _BYTES:
        return (n * (multiplier * 256).round() / 256 + 0.5).floor()
    if kind == _UP:
        return (n * multiplier + 0.5).floor()
    assert kind == _AWAY
    return _away(n * multiplier + zero_point) - zero_point


def _away(x: torch.Tensor) -> torch.Tensor:
    """The nearest integers, halves away from zero."""
    return torch.copysign((x.abs() + 0.5).floor(), x)
