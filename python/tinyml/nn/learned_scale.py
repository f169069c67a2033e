"""Scales that training learns as it learns weights (LSQ)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

_SMALLEST_SCALE = 2.0**-40


class LearnedScale(nn.Module):
    """A FakeQuant whose buffer ``scale`` may follow a parameter ``learned_scale``.

    The parameter is there while the scale is learned; the buffer, which inference and conversion
    read, is brought up to date by every forward pass in training, by ``eval()``, and when the state
    is saved.
    """

    scale: torch.Tensor
    zero_point: torch.Tensor
    quant_min: int
    quant_max: int
    learned_scale: nn.Parameter | None

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("learned_scale", None)

    @property
    def learning(self) -> bool:
        """Whether the scale is a parameter."""
        return self.learned_scale is not None

    def learn_scale(self, enabled: bool = True) -> None:
        """Make the present scale a parameter, or leave it as it has become."""
        if enabled and not self.learning:
            self.learned_scale = nn.Parameter(self.scale.detach().clone())
        elif not enabled and self.learning:
            self._follow()
            self.learned_scale = None

    def quantize_learning(self, x: torch.Tensor, axis: int | None) -> torch.Tensor:
        """x rounded, with a gradient for the scale: Esser et al., Learned Step Size Quantization,
        2020, whose gradient scale 1 / sqrt(elements * quant_max) this is."""
        assert self.learned_scale is not None
        self._follow()
        elements = x.numel() // self.learned_scale.numel()
        factor = 1.0 / math.sqrt(max(elements, 1) * max(self.quant_max, 1))
        limits = (self.quant_min, self.quant_max, factor)
        zero_point = self.zero_point.to(self.learned_scale.dtype)
        values = x.float()
        if axis is None:
            result = torch._fake_quantize_learnable_per_tensor_affine(
                values, self.learned_scale, zero_point, *limits
            )
        else:
            result = torch._fake_quantize_learnable_per_channel_affine(
                values, self.learned_scale, zero_point, axis, *limits
            )
        return result.to(x.dtype)

    @torch.no_grad()
    def _follow(self) -> None:
        """A step of the optimizer must not make a scale negative."""
        if self.learned_scale is not None:
            self.learned_scale.clamp_(min=_SMALLEST_SCALE)
            self.scale.copy_(self.learned_scale)

    def train(self, mode: bool = True) -> LearnedScale:
        if self.learning:
            self._follow()
        return super().train(mode)

    def _save_to_state_dict(self, *args: Any) -> None:
        if self.learning:
            self._follow()
        super()._save_to_state_dict(*args)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        if prefix + "learned_scale" in state_dict:
            self.learn_scale()
        elif self.learning and prefix + "scale" in state_dict:
            state_dict[prefix + "learned_scale"] = state_dict[prefix + "scale"].clone()
        super()._load_from_state_dict(state_dict, prefix, *args)
