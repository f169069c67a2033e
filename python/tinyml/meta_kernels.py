"""Shapes of ATen's fake quantization: torch.export asks for them where sizes are dynamic."""

from __future__ import annotations

from typing import Any

import torch


def _same_and_mask(x: torch.Tensor, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Both results of the operators: the rounded tensor, and where it was not clamped."""
    return torch.empty_like(x), torch.empty_like(x, dtype=torch.bool)


def register() -> None:
    """Make FakeQuants of tensors with dynamic sizes exportable; once, where torch cannot itself."""
    for name in (
        "fake_quantize_per_tensor_affine_cachemask",
        "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
        "fake_quantize_per_channel_affine_cachemask",
    ):
        try:
            torch.library.register_fake(f"aten::{name}", _same_and_mask)
        except RuntimeError:  # this torch has one
            continue
