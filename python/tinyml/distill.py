"""A teacher for the finetune after pruning and for quantization-aware training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tinyml._core import Error
from tinyml.arguments import call
from tinyml.nested import leaves

KINDS = ("logits", "values")
FEATURE_KINDS = ("attention", "values")


class Distillation:
    """A loss that makes a model follow what it was before (Hinton et al. 2015).

    Make it before pruning or quantization, from a copy of the model; in the training loop:

        with distillation.watch(model):     # for features alone
            outputs = model(x)
        loss = distillation(outputs, x, F.cross_entropy(outputs, y))

    teacher: put into evaluation mode and never trained.
    temperature: softens both distributions.
    weight: share of the teacher's loss in the sum, in [0, 1].
    kind: "logits": the divergence of class probabilities along `dim`; "values": the squared
        difference over the variance of the teacher's output, for regression.
    features: modules whose outputs are compared too, by name; a mapping where the names in the
        model and in the teacher differ.
    feature_weight: factor of the features' mean loss within the teacher's loss.
    feature_kind: "attention": normalised energies of the positions, summed over the channels, which
        may be fewer than the teacher's (Zagoruyko and Komodakis 2017, p = 2; for [N, C, ...] with
        at least one spatial dimension); "values": as above, of equal shapes.

    Raises tinyml.Error for values out of range and names that the teacher does not have.
    """

    def __init__(
        self,
        teacher: nn.Module,
        *,
        temperature: float = 4.0,
        weight: float = 0.5,
        kind: str = "logits",
        dim: int = 1,
        features: Sequence[str] | Mapping[str, str] = (),
        feature_weight: float = 1.0,
        feature_kind: str = "attention",
    ) -> None:
        if not 0 <= weight <= 1 or not temperature > 0 or not feature_weight >= 0:
            raise Error(
                "a distillation takes a weight in [0, 1], a temperature above 0 and a "
                "feature_weight of 0 or more"
            )
        for given, known in ((kind, KINDS), (feature_kind, FEATURE_KINDS)):
            if given not in known:
                raise Error(f"'{given}' is no kind of distillation; use {' or '.join(known)}")
        if isinstance(features, str):
            raise Error("features of a distillation are a list of module names")
        self.teacher = teacher.eval().requires_grad_(False)
        self.temperature, self.weight, self.kind, self.dim = temperature, weight, kind, dim
        if not isinstance(features, Mapping):
            features = {name: name for name in features}
        self.features = dict(features)
        self.feature_weight, self.feature_kind = feature_weight, feature_kind
        self._check_names(teacher, list(self.features.values()), "teacher")
        self._watched: dict[str, torch.Tensor] = {}

    @contextmanager
    def watch(self, model: nn.Module) -> Iterator[None]:
        """Keep the model's features of the forward pass inside, for the next call of this loss."""
        self._check_names(model, list(self.features), "model")
        self._watched = {}
        with _recorded(model, list(self.features), self._watched):
            yield

    def __call__(self, outputs: Any, inputs: Any, loss: torch.Tensor | float = 0.0) -> torch.Tensor:
        """The task's `loss` and the teacher's, weighted: a scalar.

        All floating-point outputs count alike. inputs: the arguments that gave `outputs`, a
        tensor, tuple or dict. Raises tinyml.Error where shapes do not fit, and for
        features not watched.
        """
        theirs: dict[str, torch.Tensor] = {}
        with torch.no_grad(), _recorded(self.teacher, list(self.features.values()), theirs):
            targets = [t for t in leaves(call(self.teacher, inputs)) if t.is_floating_point()]
        own = [t for t in leaves(outputs) if t.is_floating_point()]
        if [o.shape for o in own] != [t.shape for t in targets]:
            raise Error(
                "the teacher's outputs have other shapes than the model's: "
                f"{[list(t.shape) for t in targets]} and {[list(o.shape) for o in own]}"
            )
        if not own:
            raise Error("neither the model nor the teacher has a floating-point output")
        term = self._divergence if self.kind == "logits" else _values
        total = torch.stack([term(o, t) for o, t in zip(own, targets, strict=True)]).mean()
        if self.features:
            total = total + self.feature_weight * self._feature_loss(theirs)
        return self.weight * total + (1 - self.weight) * loss

    def _divergence(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        soft = F.log_softmax(output.float() / self.temperature, self.dim)
        wanted = F.log_softmax(target.float() / self.temperature, self.dim)
        divergence = (wanted.exp() * (wanted - soft)).sum(self.dim).mean()
        return self.temperature**2 * divergence  # gradients keep their size

    def _feature_loss(self, theirs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        watched, self._watched = self._watched, {}
        terms = []
        for own_name, name in self.features.items():
            for model, found, wanted in (("model", watched, own_name), ("teacher", theirs, name)):
                if wanted not in found:
                    raise Error(
                        f"the {model}'s module '{wanted}' gave no tensor in this step: run the "
                        "model inside 'with distillation.watch(model):' and name modules whose "
                        "forward is called"
                    )
            terms.append(self._compare(own_name, watched[own_name], theirs[name]))
        return torch.stack(terms).mean()

    def _compare(self, name: str, own: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        is_attention = self.feature_kind == "attention"
        shapes = [list(own.shape), list(target.shape)]
        compared = [shape[:1] + shape[2:] if is_attention else shape for shape in shapes]
        if compared[0] != compared[1]:
            raise Error(
                f"the features of '{name}' have shape {shapes[0]}, the teacher's {shapes[1]}, "
                f"which '{self.feature_kind}' cannot compare"
            )
        if not is_attention:
            return _values(own, target)
        if own.dim() < 3:
            raise Error(
                f"the features of '{name}' have shape {shapes[0]}: attention needs positions "
                "besides examples and channels"
            )
        return (_attention(own) - _attention(target)).square().sum(1).mean()

    @staticmethod
    def _check_names(model: nn.Module, names: Sequence[str], which: str) -> None:
        known = dict(model.named_modules())
        missing = [name for name in names if name not in known]
        if missing:
            raise Error(f"the {which} has no modules {', '.join(map(repr, missing))}")


def _values(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    output, target = output.float(), target.float()
    return F.mse_loss(output, target) / target.var(unbiased=False).clamp(min=1e-12)


def _attention(features: torch.Tensor) -> torch.Tensor:
    return F.normalize(features.float().square().sum(1).flatten(1), dim=1)


@contextmanager
def _recorded(
    model: nn.Module, names: Sequence[str], into: dict[str, torch.Tensor]
) -> Iterator[None]:
    """Put the modules' first outputs of one forward pass into `into`, by name."""
    modules = dict(model.named_modules())

    def recorder(name: str) -> Any:
        def record(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensors = leaves(output)
            if tensors:
                into[name] = tensors[0]

        return record

    handles = [modules[name].register_forward_hook(recorder(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
