"""When rounding sets in and statistics stop moving during quantization-aware training."""

from __future__ import annotations

from typing import Any

from torch import nn

from tinyml._core import Error
from tinyml.nn.control import (
    fake_quantizers,
    freeze_bn,
    set_fake_quant,
    set_observers,
    unfreeze_bn,
)


class QATSchedule:
    """Freezes ranges and batch-norm statistics at shares of a training; call ``step()`` after each
    of its ``total`` steps (batches or epochs).

        schedule = QATSchedule(qat_model, total=epochs)
        for _ in range(epochs):
            train_one_epoch(qat_model)
            schedule.step()

    fake_quant_from: share before which nothing is rounded (0: rounding from the start).
    freeze_observers_at: share from which the ranges of activations and weights stay.
    freeze_bn_at: share from which batch norm uses its running statistics, as inference does
        (Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, 2018,
        freezes them late; statistics that move with every batch shake the rounded weights).

    A share above 1 never comes. It must be made before, and loaded after, the model's own state in
    a training that goes on. Raises tinyml.Error for a total or shares that make no sense.
    """

    def __init__(
        self,
        model: nn.Module,
        total: int,
        *,
        fake_quant_from: float = 0.0,
        freeze_observers_at: float = 0.6,
        freeze_bn_at: float = 0.4,
    ) -> None:
        if total < 1:
            raise Error(f"a training of {total} steps has no schedule; total is at least 1")
        if min(fake_quant_from, freeze_observers_at, freeze_bn_at) < 0:
            raise Error("a share of the training is not negative")
        if fake_quant_from > freeze_observers_at:
            raise Error("the ranges would freeze before anything is rounded with them")
        if next(iter(fake_quantizers(model)), None) is None:
            raise Error(
                "the model has no FakeQuant modules: make the schedule for what "
                "QATQuantizer.quantize() returned"
            )
        self._model, self._total, self._done = model, total, 0
        self._fake_quant_from = fake_quant_from
        self._observers_at, self._bn_at = freeze_observers_at, freeze_bn_at
        self._apply()

    @property
    def progress(self) -> float:
        """The share that is done, in [0, 1]."""
        return min(self._done / self._total, 1.0)

    def step(self) -> None:
        """One more step is done."""
        self._done += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._done = int(state["done"])
        self._apply()

    def _apply(self) -> None:
        set_fake_quant(self._model, self.progress >= self._fake_quant_from)
        set_observers(self._model, self.progress < self._observers_at)
        (freeze_bn if self.progress >= self._bn_at else unfreeze_bn)(self._model)
