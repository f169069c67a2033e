"""Layout and passes must not change what a model computes: random models in the interpreter."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

litert = pytest.importorskip("ai_edge_litert.interpreter")
ROOT = Path(__file__).resolve().parents[2]
CASES = 60


def tool() -> Path:
    candidates = [Path(os.environ.get("TINYML_BUILD_DIR", ROOT / "build")) / "tflite_cases"]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    pytest.skip("the test tool tflite_cases is not built")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cases")
    subprocess.run([tool(), directory, str(CASES)], check=True, stdout=subprocess.DEVNULL)
    return directory


def run(path: Path, resolver: str, seed: int) -> list[np.ndarray]:
    # The naive files keep their intermediates: the plain kernels may overwrite a value in place
    # while an alias of it is still needed. Ours must be right as they are.
    interpreter = litert.Interpreter(
        str(path),
        num_threads=1,
        experimental_preserve_all_tensors="_expected" in path.name,
        experimental_op_resolver_type=getattr(litert.OpResolverType, resolver),
    )
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    rng = np.random.default_rng(seed)
    inputs = {}
    for name, detail in sorted(runner.get_input_details().items()):
        inputs[name] = rng.uniform(-1, 1, detail["shape"]).astype(detail["dtype"])
    outputs = runner(**inputs)
    return [outputs[name] for name in sorted(outputs)]


@pytest.mark.parametrize(
    "resolver", ["BUILTIN", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF"]
)
def test_same_numbers(files: Path, resolver: str) -> None:
    paths = list(files.glob("optimized*_expected.tflite"))
    assert len(paths) == CASES
    if resolver == "BUILTIN":  # Layouts alone, without the passes.
        paths += files.glob("layout*_expected.tflite")
    for seed, expected_path in enumerate(sorted(paths)):
        actual_path = Path(str(expected_path).replace("_expected", "_actual"))
        # The expected file is simple and slow: the plain kernels run it.
        expected = run(expected_path, "BUILTIN_WITHOUT_DEFAULT_DELEGATES", seed)
        actual = run(actual_path, resolver, seed)
        assert len(expected) == len(actual)
        for a, b in zip(expected, actual, strict=True):
            assert a.shape == b.shape, actual_path.name
            np.testing.assert_allclose(
                b,
                a,
                rtol=1e-4,
                atol=1e-4 * max(1.0, float(np.abs(a).max())),
                err_msg=actual_path.name,
            )


@pytest.mark.parametrize(
    "resolver", ["BUILTIN", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF"]
)
def test_quantized_follows_simulation(files: Path, resolver: str) -> None:
    paths = sorted(files.glob("quantized*_expected.tflite"))
    assert len(paths) == CASES
    for seed, expected_path in enumerate(paths):
        actual_path = Path(str(expected_path).replace("_expected", "_actual"))
        (expected,) = run(expected_path, "BUILTIN_WITHOUT_DEFAULT_DELEGATES", seed)
        (actual,) = run(actual_path, resolver, seed)
        # A value on the edge between two steps may fall either way, and be carried on.
        steps = np.abs(expected - actual) / (4 / 255)
        assert steps.max() <= 3.01, (actual_path.name, steps)
        assert steps.mean() <= 1.0, (actual_path.name, steps)
