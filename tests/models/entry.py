"""One network of the zoo: how to build it and what to feed it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .weights import calibrate_batch_norm, randomize


@dataclass(frozen=True)
class ZooEntry:
    """One network: its constructor and the input shapes to test it with."""

    constructor: Callable[..., nn.Module]
    shape: tuple[int, ...]
    """Input shape for `small()`."""
    full_shape: tuple[int, ...]
    """Input shape of the published network."""
    parameters: int
    """Number of parameters of the published network, `constructor()`."""
    small_arguments: dict[str, Any] = field(default_factory=dict)
    full_arguments: dict[str, Any] = field(default_factory=dict)
    make_inputs: Callable[[torch.Tensor], tuple[torch.Tensor, ...]] | None = None
    """Turns a normally distributed tensor of `shape` into the arguments of `forward`, where these
    are several or not normally distributed."""

    def build(self, seed: int = 0, **kwargs) -> nn.Module:
        """The published network with random weights, in eval mode."""
        # Calibrated at the small shape where the network allows any, to save time.
        shape = self.full_shape if self.small_arguments.keys() & {"image"} else self.shape
        return self._make({**self.full_arguments, **kwargs}, seed, shape)

    def small(self, seed: int = 0, **kwargs) -> nn.Module:
        """The same topology, narrow, with random weights, in eval mode."""
        return self._make({**self.small_arguments, **kwargs}, seed, self.shape)

    def _make(self, arguments: dict[str, Any], seed: int, shape: tuple[int, ...]) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = randomize(self.constructor(**arguments), seed)
        return calibrate_batch_norm(model, seed, shape, make_inputs=self.make_inputs).eval()

    def example_input(self, seed: int = 0, full: bool = False) -> torch.Tensor:
        """A normally distributed input of `shape` (or `full_shape`)."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(self.full_shape if full else self.shape, generator=generator)

    def example_inputs(self, seed: int = 0, full: bool = False) -> tuple[torch.Tensor, ...]:
        """The arguments of `forward`."""
        x = self.example_input(seed, full)
        return (x,) if self.make_inputs is None else self.make_inputs(x)
