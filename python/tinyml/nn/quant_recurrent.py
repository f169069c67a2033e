"""Recurrent layers whose products run on integers: inputs, hidden states and weights are
fake-quantized; gates and cell state are computed in float between the products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from tinyml.nn.fake_quantize import FakeQuantize, WeightFakeQuantize
from tinyml.nn.quant_layers import DEFAULT_RANGE, WeightRange

State = tuple[torch.Tensor, ...]


class QuantRecurrent(nn.RNNBase):
    """Mixin over nn.LSTM, nn.GRU and nn.RNN: their constructors and parameters, their forward
    written out step by step. For each layer and direction (``_l0``, ``_l0_reverse``, ...) there
    are ``weight_ih_l0_fq``, ``weight_hh_l0_fq`` (``weight_hr_l0_fq``) and the FakeQuantize modules
    ``input_gates_l0_fq`` and ``hidden_gates_l0_fq`` behind the products and ``hidden_l0_fq`` of the
    hidden state (``output_l0_fq`` before a projection), one for all steps; ``sequence_l0_fq`` where
    two directions are joined. An nn.Identity in the place of any of them leaves its value
    unrounded; ``activation=False`` puts one in the place of each but those of weights.
    """

    def __init__(
        self,
        *args: Any,
        weight_range: WeightRange | None = DEFAULT_RANGE,
        per_channel: bool = True,
        activation: dict | bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._add_quantizers(weight_range, per_channel, activation)

    def _add_quantizers(
        self,
        weight_range: WeightRange | None,
        per_channel: bool,
        activation: dict | bool | None,
    ) -> None:
        def quantizer() -> nn.Module:
            if activation is False:
                return nn.Identity()
            return FakeQuantize(**(activation if isinstance(activation, dict) else {}))

        for suffix in self._suffixes():
            names = ["input_gates", "hidden_gates", "hidden"]
            names += ["output"] if self.proj_size else []
            for name in names:
                self.add_module(f"{name}{suffix}_fq", quantizer())
            for name in ("weight_ih", "weight_hh", "weight_hr")[: 3 if self.proj_size else 2]:
                if weight_range is None:
                    continue
                rows = getattr(self, name + suffix).shape[0]
                rounded = WeightFakeQuantize(rows if per_channel else None, 0, *weight_range)
                self.add_module(f"{name}{suffix}_fq", rounded)

        for layer in range(self.num_layers if self.bidirectional else 0):
            self.add_module(f"sequence_l{layer}_fq", quantizer())

    def _suffixes(self) -> list[str]:
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{end}" for layer in range(self.num_layers) for end in directions]

    def _weight(self, name: str) -> torch.Tensor:
        weight = getattr(self, name)
        quantizer = getattr(self, name + "_fq", None)
        return weight if quantizer is None else quantizer(weight)

    def train(self, mode: bool = True) -> QuantRecurrent:
        if self.training and not mode:
            self.update_weight_scale()
        return super().train(mode)

    @torch.no_grad()
    def update_weight_scale(self) -> None:
        """Scales from the present weights, unless their observers are off."""
        for name, quantizer in self.named_children():
            if isinstance(quantizer, WeightFakeQuantize) and quantizer.observing:
                quantizer.observe(getattr(self, name.removesuffix("_fq")))

    def _run(self, x: torch.Tensor, states: State) -> tuple[torch.Tensor, State]:
        """``x`` [T, N, I] or [N, T, I]; the states [layers * directions, N, width]."""
        if isinstance(x, PackedSequence):
            raise TypeError(f"{type(self).__name__} takes padded tensors, no PackedSequence")
        directions = 2 if self.bidirectional else 1
        finals: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                initial = tuple(self._turn(state[index : index + 1]) for state in states)
                sequence, final = self._chain(x, initial, index, direction == 1)
                outputs.append(sequence)
                finals.append(tuple(self._turn(state) for state in final))
            x = outputs[0]
            if directions == 2:
                x = getattr(self, f"sequence_l{layer}_fq")(torch.cat(outputs, 2))
            if self.dropout and self.training and layer + 1 < self.num_layers:
                x = F.dropout(x, self.dropout, True)
        return x, tuple(torch.cat(parts, 0) for parts in zip(*finals, strict=True))

    def _turn(self, state: torch.Tensor) -> torch.Tensor:
        """Between [1, N, width] and one step of the sequence."""
        return state.transpose(0, 1) if self.batch_first else state

    def _chain(
        self, x: torch.Tensor, state: State, index: int, backward: bool
    ) -> tuple[torch.Tensor, State]:
        suffix = self._suffixes()[index]
        bias_ih, bias_hh = (
            (getattr(self, "bias_ih" + suffix), getattr(self, "bias_hh" + suffix))
            if self.bias
            else (None, None)
        )
        time = 1 if self.batch_first else 0
        quantize_gates = getattr(self, f"hidden_gates{suffix}_fq")
        quantize_hidden = getattr(self, f"hidden{suffix}_fq")
        projected = F.linear(x, self._weight("weight_ih" + suffix), bias_ih)
        projected = getattr(self, f"input_gates{suffix}_fq")(projected)
        rounded = quantize_hidden(state[0])
        weight = self._weight("weight_hh" + suffix)
        projection = self._weight("weight_hr" + suffix) if self.proj_size else None
        steps = range(x.shape[time])
        outputs = []
        for now in reversed(steps) if backward else steps:
            gates = projected.narrow(time, now, 1)
            recurrent = quantize_gates(F.linear(rounded, weight, bias_hh))
            state = self._step(gates, recurrent, state)
            if projection is not None:
                output = getattr(self, f"output{suffix}_fq")(state[0])
                state = (F.linear(output, projection), *state[1:])
            rounded = quantize_hidden(state[0])
            outputs.append(rounded)
        return torch.cat(outputs[::-1] if backward else outputs, time), state

    _step: Callable[..., State]
    """(gates of the input, gates of the state, the state) -> the next state; each class's own."""

    def forward(self, x: torch.Tensor, hx: Any = None) -> tuple[torch.Tensor, Any]:
        """As torch.nn's, for layers whose state is one tensor."""
        output, final = self._batched(x, None if hx is None else (hx,), (self.hidden_size,))
        return output, final[0]

    def _zeros(self, x: torch.Tensor, width: int) -> torch.Tensor:
        directions = 2 if self.bidirectional else 1
        batch = x.shape[0 if self.batch_first else 1]
        return torch.zeros(
            self.num_layers * directions, batch, width, dtype=x.dtype, device=x.device
        )

    def _batched(
        self, x: torch.Tensor, states: State | None, widths: tuple[int, ...]
    ) -> tuple[torch.Tensor, State]:
        """As _run, for inputs with or without the dimension N, as torch.nn has them."""
        if x.dim() == 3:
            return self._run(x, states or tuple(self._zeros(x, width) for width in widths))
        axis = 0 if self.batch_first else 1
        x = x.unsqueeze(axis)
        given = None if states is None else tuple(state.unsqueeze(1) for state in states)
        output, final = self._run(x, given or tuple(self._zeros(x, width) for width in widths))
        return output.squeeze(axis), tuple(state.squeeze(1) for state in final)


class QuantLSTM(QuantRecurrent, nn.LSTM):
    def forward(self, x: torch.Tensor, hx: Any = None) -> tuple[torch.Tensor, Any]:
        widths = (self.proj_size or self.hidden_size, self.hidden_size)
        return self._batched(x, hx, widths)

    def _step(self, gates: torch.Tensor, recurrent: torch.Tensor, state: State) -> State:
        total = gates + recurrent
        write, keep, _, read = torch.sigmoid(total).split(self.hidden_size, 2)
        candidate = torch.tanh(total.narrow(2, 2 * self.hidden_size, self.hidden_size))
        memory = keep * state[1] + write * candidate
        return read * torch.tanh(memory), memory


class QuantGRU(QuantRecurrent, nn.GRU):
    def _step(self, gates: torch.Tensor, recurrent: torch.Tensor, state: State) -> State:
        size = self.hidden_size
        both = torch.sigmoid(gates.narrow(2, 0, 2 * size) + recurrent.narrow(2, 0, 2 * size))
        reset, update = both.split(size, 2)
        recalled = reset * recurrent.narrow(2, 2 * size, size)
        fresh = torch.tanh(gates.narrow(2, 2 * size, size) + recalled)
        return (fresh + update * (state[0] - fresh),)


class QuantRNN(QuantRecurrent, nn.RNN):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        apply: Callable = torch.relu if self.nonlinearity == "relu" else torch.tanh
        self._apply_nonlinearity = apply

    def _step(self, gates: torch.Tensor, recurrent: torch.Tensor, state: State) -> State:
        return (self._apply_nonlinearity(gates + recurrent),)
