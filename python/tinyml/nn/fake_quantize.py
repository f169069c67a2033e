"""FakeQuant modules: they round activations and weights to the values that integers can hold.

Each stands for one of ATen's own fake-quantization operators: an eval-mode export holds exactly one
``fake_quantize_per_tensor_affine`` or ``fake_quantize_per_channel_affine`` node with its buffers.
"""

from __future__ import annotations

from typing import Any

import torch

from tinyml import _core
from tinyml.nn.kernel_rounding import KernelRounding
from tinyml.nn.learned_scale import _SMALLEST_SCALE, LearnedScale
from tinyml.nn.rounding import along_axis, fake_quantize

OBSERVERS = ("moving_average", "min_max", "mse", "percentile", "kl")
_BINS = 2048


class _Switched(LearnedScale):
    """Switches for observing and fake quantizing: buffers for ATen and the state_dict, bools for
    control flow that torch.export can follow."""

    observer_enabled: torch.Tensor
    fake_quant_enabled: torch.Tensor

    def __init__(self, observing: bool = True) -> None:
        super().__init__()
        self.register_buffer("observer_enabled", torch.tensor([int(observing)], dtype=torch.uint8))
        self.register_buffer("fake_quant_enabled", torch.ones(1, dtype=torch.uint8))
        self._observing = observing
        self._quantizing = True
        self.calibrating = False
        self.kernel_rounding: KernelRounding | None = None
        """Of inference, where it follows kernels: set by tinyml.simulate_kernels; what is exported
        or trained gives the nearest integers."""

    @property
    def observing(self) -> bool:
        """Whether training updates the ranges."""
        return self._observing

    @property
    def quantizing(self) -> bool:
        """Whether values are rounded."""
        return self._quantizing and not self.calibrating

    def set_observing(self, enabled: bool) -> None:
        self._observing = enabled
        self.observer_enabled.fill_(int(enabled))

    def set_quantizing(self, enabled: bool) -> None:
        self._quantizing = enabled
        self.fake_quant_enabled.fill_(int(enabled))

    # The names of torch.ao.quantization, whose functions for Module.apply() call them.

    def enable_observer(self, enabled: bool = True) -> None:
        """Of a module that calibrates, ``False`` ends the calibration."""
        if self.calibrating and not enabled:
            self.calibrating = False
            self._end_calibration()
        if getattr(self, "fixed", None) is None:
            self.set_observing(enabled)

    def disable_observer(self) -> None:
        self.enable_observer(False)

    def enable_fake_quant(self, enabled: bool = True) -> None:
        self.set_quantizing(enabled)

    def disable_fake_quant(self) -> None:
        self.enable_fake_quant(False)

    def _end_calibration(self) -> None:
        pass

    def _round_as_kernels(
        self, x: torch.Tensor, scale: torch.Tensor | float, zero_point: torch.Tensor | int
    ) -> torch.Tensor:
        if self.kernel_rounding is None or self.training or torch.compiler.is_exporting():
            return x
        return self.kernel_rounding(x, scale, zero_point)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # The switches may be absent (weights from an exported graph): they keep their setting.
        for name in ("observer_enabled", "fake_quant_enabled"):
            state_dict.setdefault(prefix + name, getattr(self, name).clone())
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._observing = bool(self.observer_enabled.item())
        self._quantizing = bool(self.fake_quant_enabled.item())


# So that model.apply(torch.ao.quantization.disable_observer) and its kind reach these modules.
try:
    from torch.ao.quantization.fake_quantize import FakeQuantizeBase
except ImportError:  # a later torch, without these functions
    pass
else:
    FakeQuantizeBase.register(_Switched)


class FakeQuantize(_Switched):
    """Per-tensor fake quantization of an activation.

    In training it follows the range of what passes: the moving average ("moving_average") or the
    extremes ("min_max") of its bounds, or a histogram, from which calibration chooses at its end
    the range of the least squared error ("mse"), that of ``percentile`` percent of the values
    ("percentile") or that of the least divergence ("kl"). In eval it uses what it learned. With
    ``fixed=(scale, zero_point)`` it never observes. ``mask_margin``: attention scores that a mask
    has made vanish count as that much smaller than the others.
    """

    scale: torch.Tensor
    zero_point: torch.Tensor
    running_min: torch.Tensor
    running_max: torch.Tensor
    histogram: torch.Tensor

    def __init__(
        self,
        quant_min: int = -128,
        quant_max: int = 127,
        *,
        symmetric: bool = False,
        observer: str = "moving_average",
        momentum: float = 0.01,
        percentile: float = 99.99,
        mask_margin: float = 0,
        fixed: tuple[float, int] | None = None,
    ) -> None:
        super().__init__(observing=fixed is None)
        try:
            observer, self._reads_histogram = _core.resolve_observer(observer)
        except _core.Error as error:
            raise ValueError(str(error)) from None
        if quant_min >= quant_max or quant_max - quant_min > 65535:
            raise ValueError(f"[{quant_min}, {quant_max}] is not a range of 2 to 16 bits")
        if symmetric and fixed is None and not quant_min < 0 < quant_max:
            raise ValueError(f"a symmetric range [{quant_min}, {quant_max}] has 0 inside")
        self.quant_min, self.quant_max = quant_min, quant_max
        self.symmetric, self.observer, self.momentum = symmetric, observer, momentum
        self.percentile, self.mask_margin = percentile, mask_margin
        self.fixed = None if fixed is None else (float(fixed[0]), int(fixed[1]))
        if fixed is not None:
            return
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("zero_point", torch.zeros(1, dtype=torch.int32))
        self.register_buffer("running_min", torch.full((1,), torch.inf))
        self.register_buffer("running_max", torch.full((1,), -torch.inf))
        if self._reads_histogram:
            self.register_buffer("histogram", torch.zeros(_BINS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fixed is not None:
            scale, zero_point = self.fixed
            limits = (self.quant_min, self.quant_max)
            if not self.quantizing:
                return x
            x = self._round_as_kernels(x, scale, zero_point)
            return fake_quantize(x, scale, zero_point, *limits)
        if self.calibrating:
            if torch.compiler.is_exporting():
                raise RuntimeError("the module's ranges are still being collected")
            self.observe(x.detach())
            return x
        if self.learning and self.training and self.quantizing:
            return self.quantize_learning(x, None)
        if self.training and self._observing:
            if self._observes_in_one_operator(x):
                return self._observe_and_quantize(x)
            self.observe(x.detach())
            self.update_scale()
        if not self.quantizing:
            return x
        x = self._round_as_kernels(x, self.scale, self.zero_point)
        return fake_quantize(x, self.scale, self.zero_point, self.quant_min, self.quant_max)

    def _observes_in_one_operator(self, x: torch.Tensor) -> bool:
        """ATen has an operator for it, which needs no answer from a GPU and can be captured."""
        plain = self.observer == "moving_average" and not self.symmetric and not self.mask_margin
        return plain and (torch.compiler.is_compiling() or x.device.type != "cpu")

    def _observe_and_quantize(self, x: torch.Tensor) -> torch.Tensor:
        if x.dtype != torch.float32:  # under autocast; the operator takes nothing else
            return self._observe_and_quantize(x.float()).to(x.dtype)
        return torch.fused_moving_avg_obs_fake_quant(
            x,
            self.observer_enabled,
            self.fake_quant_enabled,
            self.running_min,
            self.running_max,
            self.scale,
            self.zero_point,
            self.momentum,
            self.quant_min,
            self.quant_max,
            -1,
            False,
            False,
        )

    @torch.no_grad()
    def observe(self, x: torch.Tensor) -> None:
        """Take x into the statistics; the scale stays until update_scale()."""
        if x.numel() == 0:
            return
        x = x.float()
        if self.mask_margin:
            x = self._saturate_masked(x)
        if self._reads_histogram:
            statistics = (self.histogram, self.running_min, self.running_max)
            on_host = [buffer.cpu() for buffer in statistics]
            _core.observe_histogram(x.cpu().reshape(-1).contiguous(), *on_host)
            for buffer, value in zip(statistics, on_host, strict=True):
                buffer.copy_(value)
            return
        low, high = torch.aminmax(x)
        if self.observer == "moving_average":
            seen = torch.isfinite(self.running_min)
            low = torch.where(seen, torch.lerp(self.running_min, low, self.momentum), low)
            high = torch.where(seen, torch.lerp(self.running_max, high, self.momentum), high)
            self.running_min.copy_(low)
            self.running_max.copy_(high)
        else:
            self.running_min.copy_(torch.minimum(self.running_min, low))
            self.running_max.copy_(torch.maximum(self.running_max, high))

    def _saturate_masked(self, x: torch.Tensor) -> torch.Tensor:
        values = x.cpu().reshape(-1).contiguous()
        result = values.clone()
        _core.saturate_masked(values, result, self.mask_margin)
        return result.to(x.device)

    def has_observed(self) -> bool:
        """Whether there are statistics to compute a scale from, or a fixed scale."""
        return self.fixed is not None or bool(torch.isfinite(self.running_min + self.running_max))

    def _end_calibration(self) -> None:
        if self.fixed is None:
            self.update_scale()

    @torch.no_grad()
    def update_scale(self) -> None:
        """Scale and zero point from the statistics, if there are any."""
        if self.fixed is not None or not self.has_observed():
            return
        low, high = self.running_min.item(), self.running_max.item()
        integers = (self.quant_min, self.quant_max, self.symmetric)
        if self._reads_histogram:
            counts = self.histogram.cpu()
            low, high = _core.choose_range(
                counts, low, high, *integers, self.observer, self.percentile
            )
        scale, zero_point = _core.choose_scale(low, high, *integers)
        self.scale.fill_(scale)
        self.zero_point.fill_(zero_point)

    def reset_statistics(self) -> None:
        """Forget what was observed; the scale stays until something new is."""
        if self.fixed is not None:
            return
        self.running_min.fill_(torch.inf)
        self.running_max.fill_(-torch.inf)
        if self._reads_histogram:
            self.histogram.zero_()

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # Statistics may be absent (weights from an exported graph): forget ours.
        if self.fixed is None and prefix + "scale" in state_dict:
            self.reset_statistics()
            for name in ("running_min", "running_max", "histogram"):
                if hasattr(self, name):
                    state_dict.setdefault(prefix + name, getattr(self, name).clone())
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        text = f"{self.quant_min}, {self.quant_max}"
        if self.fixed is not None:
            return f"{text}, fixed={self.fixed}"
        return f"{text}, symmetric={self.symmetric}, observer={self.observer!r}"


class WeightFakeQuantize(_Switched):
    """Symmetric fake quantization of a weight, each index of `axis` with a scale of its own.

    In training the scale follows the largest absolute value; with ``channels=None`` one scale
    serves the whole tensor. With ``channel_ranges`` each channel has a range of integers of its
    own inside [quant_min, quant_max], in the buffers ``channel_min`` and ``channel_max``: its scale
    is chosen for that range, and what lies outside is clamped to it.
    """

    scale: torch.Tensor
    zero_point: torch.Tensor
    channel_min: torch.Tensor
    channel_max: torch.Tensor

    def __init__(
        self,
        channels: int | None,
        axis: int = 0,
        quant_min: int = -127,
        quant_max: int = 127,
        *,
        channel_ranges: bool = False,
    ) -> None:
        super().__init__()
        if not quant_min < 0 < quant_max:
            raise ValueError(f"a symmetric range [{quant_min}, {quant_max}] has 0 inside")
        if channel_ranges and channels is None:
            raise ValueError("ranges of channels go with a scale for each channel")
        self.channels, self.axis = channels, axis
        self.channel_ranges = channel_ranges
        self.quant_min, self.quant_max = quant_min, quant_max
        self.register_buffer("scale", torch.ones(channels or 1))
        self.register_buffer("zero_point", torch.zeros(channels or 1, dtype=torch.int32))
        if channel_ranges:
            self.register_buffer("channel_min", torch.full((channels,), float(quant_min)))
            self.register_buffer("channel_max", torch.full((channels,), float(quant_max)))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        learns = self.learning and self.training and self.quantizing
        if self.training and self._observing and not learns:
            self.observe(weight)
        if not self.quantizing:
            return weight
        if self.channel_ranges:
            weight = self._clamp(weight)
        axis = None if self.channels is None else self.axis
        if learns:
            return self.quantize_learning(weight, axis)
        return fake_quantize(
            weight, self.scale, self.zero_point, self.quant_min, self.quant_max, axis
        )

    def _clamp(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight within the range of each channel."""
        scale = self.scale if self.learned_scale is None else self.learned_scale
        low, high = (
            along_axis(scale * bound, weight.dim(), self.axis)
            for bound in (self.channel_min, self.channel_max)
        )
        return torch.minimum(torch.maximum(weight, low), high)

    @torch.no_grad()
    def observe(self, weight: torch.Tensor) -> None:
        """Scale from these weights."""
        if self.channels is None:
            low, high = torch.aminmax(weight.detach())
        else:
            rows = weight.detach().transpose(0, self.axis).reshape(self.channels, -1)
            low, high = torch.aminmax(rows, dim=1)
        reach: torch.Tensor | int = min(-self.quant_min, self.quant_max)
        if self.channel_ranges:
            reach = torch.minimum(-self.channel_min, self.channel_max)
        scale = torch.maximum(-low, high) / reach
        self.scale.copy_(scale.clamp_(min=_SMALLEST_SCALE))

    def extra_repr(self) -> str:
        return f"{self.channels}, axis={self.axis}, {self.quant_min}, {self.quant_max}"


class Requantize(_Switched):
    """Rounds to the grid of another FakeQuantize, given by its scale and zero point, without
    observing: for operators whose integer form keeps the input's scale but rounds (average pooling,
    bilinear resize). ``fixed=(scale, zero_point)`` follows a fixed one."""

    def __init__(
        self,
        quant_min: int = -128,
        quant_max: int = 127,
        *,
        fixed: tuple[float, int] | None = None,
    ) -> None:
        super().__init__(observing=False)
        self.quant_min, self.quant_max = quant_min, quant_max
        self.fixed = None if fixed is None else (float(fixed[0]), int(fixed[1]))

    def forward(
        self,
        x: torch.Tensor,
        scale: torch.Tensor | float | None = None,
        zero_point: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        if not self.quantizing:
            return x
        if self.fixed is not None:
            scale, zero_point = self.fixed
        assert scale is not None
        assert zero_point is not None
        x = self._round_as_kernels(x, scale, zero_point)
        return fake_quantize(x, scale, zero_point, self.quant_min, self.quant_max)
