"""A live module and its graph, cut together."""

from __future__ import annotations

import copy
import linecache
import os
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml._core import Error, Graph, PruningPlan
from tinyml.arguments import call, tensors_of
from tinyml.capture import capture_modes, trace
from tinyml.nested import leaves
from tinyml.prune.adopt import adopt
from tinyml.prune.attributes import size_assignments
from tinyml.prune.branches import clear_branch
from tinyml.prune.masks import Masks
from tinyml.prune.surgery import Surgery, attribute_of
from tinyml.prune.training_code import restrict_plan, trace_training_code

_TOLERANCE = 1e-3  # of the output's range, float32: live model against the pruned graph


class LiveModel:
    """The module that a pruner works on, and the graph that says what it computes.

    `graph` is what plans are made on. It includes what the module computes only in training, where
    parameters of its own take part there; `inference` is the graph without that.
    """

    def __init__(self, module: nn.Module, dummy_input: Any, whole_heads: bool = False) -> None:
        if isinstance(module, torch.jit.ScriptModule) or not isinstance(module, nn.Module):
            raise Error(
                f"a {type(module).__name__} cannot be cut in place: pruning changes an nn.Module; "
                "prune the nn.Module that it was made from; without that, save "
                "tinyml.trace(model, example) as a .pt2, cut it with `tinyml prune`, and write "
                "its model definition with `tinyml codegen`",
            )
        if isinstance(module, nn.parallel.DistributedDataParallel):
            raise Error(
                "a DistributedDataParallel cannot be cut in place: its buckets hold the parameters "
                "as they were; prune its `module` and wrap that again"
            )
        self.module = module
        self.whole_heads = whole_heads
        self.dummy_input = dummy_input
        self._inference: Graph | None
        self._trace()
        if any("fake_quant" in node.op for node in self.graph.nodes):
            raise Error(
                "the model is quantized: ranges and scales were found for the channels that it "
                "has. Prune the float model and quantize what is left; tinyml.DeQuantizer gives "
                "the float model back"
            )
        self._is_generated = False
        self.adopts = True
        """Whether generated code takes the module's place in the object itself."""
        self.removed: dict[nn.Module, dict[str, dict[int, list[int]]]] = {}
        """What the last cut removed of each module: {name: {dimension: indices}}."""

    @property
    def inference(self) -> Graph:
        if not self._trains_more:
            return self.graph
        if self._inference is None:
            self._inference = trace(self.module, self.dummy_input)
        return self._inference

    def _trace(self) -> None:
        graph = trace(self.module, self.dummy_input)
        training = trace_training_code(self.module, self.dummy_input, graph)
        self._trains_more = training is not None
        self._set_graph(graph if training is None else training)
        self._inference = graph

    def _set_graph(self, graph: Graph) -> None:
        self.graph: Graph = graph
        self.dependencies = _core.analyze_dependencies(graph, self.whole_heads)
        self._inference = None

    def find_dependencies(self, whole_heads: bool) -> None:
        """Have the dependencies that plans with this setting are made with."""
        if whole_heads != self.whole_heads:
            self.whole_heads = whole_heads
            self.dependencies = _core.analyze_dependencies(self.graph, whole_heads)

    def fork(self) -> LiveModel:
        """A copy whose module can be trained and cut on its own."""
        other = copy.copy(self)
        other.module = copy.deepcopy(self.module)
        other.graph = self.graph.copy()
        other._inference = None
        return other

    def refresh(self) -> None:
        """Give the graph the weights that the module has now."""
        fresh = {}
        for name, view in {**self.graph.parameters(), **self.graph.buffers()}.items():
            owner, _, attribute = name.rpartition(".")
            live, captured = attribute_of(self.module, owner, attribute), torch.from_dlpack(view)
            if live is None or live.shape != captured.shape:
                self._trace()
                return
            now = live.detach().cpu()
            if not torch.equal(now, captured):
                fresh[name] = now.clone()
        if fresh:
            self.graph = self.graph.with_weights(fresh)
            self._inference = None

    def take_weights(self, graph: Graph) -> None:
        """Give the module the weights of a graph of its own structure."""
        with torch.no_grad():
            for name, view in {**graph.parameters(), **graph.buffers()}.items():
                owner, _, attribute = name.rpartition(".")
                live = attribute_of(self.module, owner, attribute)
                if live is not None:
                    live.copy_(torch.from_dlpack(view))
        self.refresh()

    def cut(
        self,
        plan: PruningPlan,
        proved: bool = False,
        instead: Callable[[str], PruningPlan | None] | None = None,
    ) -> PruningPlan:
        """Prove the plan, unless that is done, then cut graph and module alike; on any failure
        nothing is changed. Returns the plan that was cut.

        A module whose code has sizes written into it cannot run with fewer channels: the plan that
        `instead` gives for this problem is cut, if there is one. Else a warning names the line, and
        generated code takes its place (`adopts`), or `module` becomes one of generated code and the
        object is left as it was.
        """
        if not proved:
            _core.verify_plan(self.graph, self.dependencies, plan)
        pruned = _core.apply_plan(self.graph, self.dependencies, plan)
        inference = self._cut_inference(plan) if self._trains_more else pruned
        surgery = Surgery(self.module, plan)
        removed = surgery.indices()
        try:
            self._cut_module(surgery, pruned)
            problem = self._follow(surgery, _core.size_arguments(self.graph, pruned), inference)
        except BaseException:
            surgery.restore()
            raise
        if problem is not None:
            surgery.restore()
            other = None if instead is None else instead(problem)
            if other is not None:
                return self.cut(other)
            self._use_generated_code(
                inference, f"the model's own code cannot run with fewer channels: {problem}"
            )
            pruned = inference
        self.removed = removed
        self._set_graph(pruned)
        return plan

    def problem_of(self, plan: PruningPlan) -> str | None:
        """Why the module's own code could not follow this plan, or None; nothing is changed."""
        pruned = _core.apply_plan(self.graph, self.dependencies, plan)
        inference = self._cut_inference(plan) if self._trains_more else pruned
        surgery = Surgery(self.module, plan)
        try:
            self._cut_module(surgery, pruned)
            return self._follow(surgery, _core.size_arguments(self.graph, pruned), inference)
        finally:
            surgery.restore()

    def mask(self, plan: PruningPlan) -> Masks:
        """Hold what the plan removes at zero, in place, proved beforehand to compute what the cut
        will. Raises tinyml.Error, with nothing changed, where the module's code does not allow it.
        """
        names = plan.removed_branches
        branches = [b for b in _core.find_residual_branches(self.graph) if b.name in names]
        whole = _core.remove_branches(self.graph, names)
        dependencies = self.dependencies
        if names:
            dependencies = _core.analyze_dependencies(whole, plan.whole_heads)
        _core.verify_plan(whole, dependencies, plan)
        if self._trains_more:
            pruned = self._cut_inference(plan)
        else:
            pruned = _core.apply_plan(whole, dependencies, plan)
        masks = Masks(self.module, plan, dependencies, branches)
        problem = self._difference(pruned, [])
        if problem is not None:
            masks.undo()
            raise Error(
                "the model's own code does not compute with masks what it will after the cut: "
                f"{problem}. prune() cuts without masks"
            )
        return masks

    def _cut_module(self, surgery: Surgery, pruned: Graph) -> None:
        sizes = (_core.module_sizes(self.graph), _core.module_sizes(pruned))
        surgery.cut(*sizes, pruned.buffers())

    def _follow(
        self, surgery: Surgery, sizes: list[tuple[str, int, int]], pruned: Graph
    ) -> str | None:
        """Set the sizes that the module's code takes from attributes; the first problem if none
        of the ways to do so makes it compute what the pruned graph does."""
        first, mark = None, surgery.mark()
        for assignment in size_assignments(self.module, sizes):
            surgery.assign(assignment)
            problem = self._difference(pruned, surgery.missing)
            if problem is None:
                return None
            first = first or problem
            surgery.restore(mark)
        return first or self._difference(pruned, surgery.missing)

    def _cut_inference(self, plan: PruningPlan) -> Graph:
        graph = _core.remove_branches(self.inference, plan.removed_branches)
        dependencies = _core.analyze_dependencies(graph, plan.whole_heads)
        return _core.apply_plan(graph, dependencies, restrict_plan(plan, graph))

    def _use_generated_code(self, inference: Graph, reason: str) -> None:
        """Replace the module's code, with a warning the first time."""
        generated, source = self._generated_module(inference)
        self._trains_more = False
        if self.adopts and adopt(self.module, generated):
            outcome = f"The model now runs generated code, {source}."
        else:
            self.module = generated
            outcome = f"The model was left as it was; prune() returns the module of {source}."
        if not self._is_generated:
            warnings.warn(f"{reason}. {outcome}", stacklevel=4)
        self._is_generated = True

    def remove_branches(self, names: list[str]) -> None:
        """Take residual branches out of graph and module; every shape stays."""
        branches = [b for b in _core.find_residual_branches(self.graph) if b.name in names]
        pruned = _core.remove_branches(self.graph, names)
        inference = _core.remove_branches(self.inference, names) if self._trains_more else pruned
        replaced: list[tuple[str, nn.Module]] = []
        try:
            for branch in branches:
                replaced += clear_branch(self.module, branch)
            problem = self._difference(inference, [])
        except BaseException:
            self._put_back(replaced)
            raise
        if problem is not None:
            self._put_back(replaced)
            self._use_generated_code(
                inference,
                f"residual branches cannot be taken out of the model's own code: {problem}",
            )
            pruned = inference
        self._set_graph(pruned)

    def _put_back(self, replaced: list[tuple[str, nn.Module]]) -> None:
        for path, module in reversed(replaced):
            self.module.set_submodule(path, module)

    def _difference(self, pruned: Graph, missing: list[str]) -> str | None:
        """Why the live model does not compute what the pruned graph does, or None."""
        if missing:
            return f"'{missing[0]}' is captured as a constant and no attribute of the model"
        try:
            with capture_modes(self.module), torch.no_grad():
                outputs = leaves(call(self.module, self.dummy_input))
            if self._trains_more:
                with capture_modes(self.module, training_code=True), torch.no_grad():
                    call(self.module, self.dummy_input)
        except Exception as error:  # The user's code may raise anything.
            return f"{_user_line(error)}{type(error).__name__}: {error}"
        inputs = [value.detach().cpu() for value in tensors_of(self.dummy_input, self.dummy_input)]
        expected = [value for value in pruned.evaluate(*inputs) if value is not None]
        if len(outputs) != len(expected):
            return "it returns another number of outputs"
        for output, reference in zip(outputs, expected, strict=True):
            live = output.detach().cpu().to(torch.float64)
            target = torch.from_dlpack(reference).to(torch.float64)
            if live.shape != target.shape:
                return f"an output has the shape {list(live.shape)}, not {list(target.shape)}"
            scale = target.abs().max().item() if target.numel() else 0.0
            precision = torch.finfo(output.dtype).eps if output.is_floating_point() else 0.0
            allowed = max(_TOLERANCE, 16 * precision) * max(scale, 1e-6)
            if live.numel() and not (live - target).abs().max().item() <= allowed:
                return "it computes something else (a size in its code selects other channels)"
        return None

    def _generated_module(self, pruned: Graph) -> tuple[nn.Module, Path]:
        from tinyml.generated_module import make_module

        source = Path(tempfile.mkdtemp(prefix="tinyml_pruned_")) / "pruned_model.py"
        name = type(self.module).__name__
        module, _ = make_module(pruned, source, source.with_suffix(".pt"), name)
        first = next(self.module.parameters(), None)
        if first is not None:
            module.to(first.device)
        return module.train(self.module.training), source


def _user_line(error: Exception) -> str:
    """The innermost line outside torch that raised, as "file:line (text): "."""
    torch_root = os.path.dirname(torch.__file__)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(torch_root) or frame.filename == __file__:
            continue
        text = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
        return f"{frame.filename}:{frame.lineno} ({text}): "
    return ""
