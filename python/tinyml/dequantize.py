"""From a fake-quantized model back to the float one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

from tinyml import _core
from tinyml.arguments import as_arguments
from tinyml.capture import trace
from tinyml.configuration import Config, check_keys, read_config
from tinyml.generated_module import file_stem, make_module
from tinyml.nn import fake_quantizers
from tinyml.nn.qat_conv import FoldedBatchNorm


def absolute(layer: str, name: str) -> str:
    """Where ``name``, relative to ``layer`` as FoldedBatchNorm.bn_name is, lies in the model."""
    path = name.lstrip(".")
    parents = layer.split(".")[: -(len(name) - len(path))]
    return ".".join([*parents, path])


class DeQuantizer:
    """The float model behind a quantized one: what QATQuantizer or PostQuantizer returned, trained
    or not, or a model that torch.ao.quantization has converted (whose weights stay rounded).

    FakeQuants and observers go, and batch norms that were folded into layers are modules of their
    own again, with the parameters and statistics that training left. When nothing was trained the
    result computes exactly what the model did before it was quantized, except that the biases
    PostQuantizer rounded stay rounded. Names of parameters are the original's. Recurrent layers and
    cells are those of torch.nn again, embeddings nn.Embedding.

    ``dummy_input``: a tensor, a tuple of positional or a dict of keyword arguments. ``config``: a
    dict or the path of a YAML file with the key ``force_overwrite`` (False: use the file in
    ``work_dir`` again, which may have been edited). The code is written to
    ``work_dir/<class>_float.py``.
    """

    def __init__(
        self,
        model: nn.Module,
        dummy_input: Any,
        work_dir: str | os.PathLike[str] = "out",
        config: Config = None,
    ) -> None:
        self.model = model
        self.dummy_input = dummy_input
        self.config = read_config(config)
        check_keys(self.config, ("force_overwrite",))
        self.class_name = "Float" + type(model).__name__.removeprefix("Quantized")
        stem = file_stem(model).removeprefix("quantized_")
        self.py_path = Path(work_dir) / f"{stem}_float.py"
        self.weights_path = Path(work_dir) / f"{stem}_float.pth"

    def dequantize(self) -> nn.Module:
        """The float module, on the model's device and in its mode. Raises tinyml.Error for a
        model without FakeQuants."""
        args, kwargs = as_arguments(self.dummy_input)
        graph = trace(self.model, args, kwargs=kwargs)
        observers = [name for name, _ in fake_quantizers(self.model)]
        if not observers and not _core.is_quantized(graph):
            raise _core.Error(
                f"{type(self.model).__name__} has no FakeQuants: it is a float model already. Pass "
                "the module that QATQuantizer or PostQuantizer returned."
            )
        folded = [
            (name, module)
            for name, module in self.model.named_modules()
            if isinstance(module, FoldedBatchNorm)
        ]
        float_graph = _core.remove_fake_quants(
            graph,
            observers,
            momentum={name: float(module.bn.momentum or 0.0) for name, module in folded},
            norms={
                name: absolute(name, module.bn_name) for name, module in folded if module.bn_name
            },
            dropout={
                name: float(module.dropout)
                for name, module in self.model.named_modules()
                if isinstance(module, nn.RNNBase)
            },
        )
        module, _ = make_module(
            float_graph,
            self.py_path,
            self.weights_path,
            self.class_name,
            bool(self.config.get("force_overwrite", True)),
        )
        device = next((tensor.device for tensor in self.model.parameters()), None)
        return module.to(device).train(self.model.training)
