"""Generated code of every network computes, trains and stores what the original does."""

from pathlib import Path

import pytest
import torch
from models import ZOO

from codegen_util import round_trip

# Branches that an eval capture does not have.
WITHOUT_TRAINING_BRANCHES = {"efficientnet_b0": {"stochastic_depth": 0.0}}


# densenet_small has densenet121's topology in a tenth of the time.
@pytest.mark.parametrize("name", [name for name in ZOO if name != "densenet121"])
def test_zoo(name: str, tmp_path: Path) -> None:
    entry = ZOO[name]
    model = entry.small(**WITHOUT_TRAINING_BRANCHES.get(name, {}))
    shape = (2, *entry.shape[1:])
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    # Captured with one image, it works on batches.
    round_trip(model, (x,), tmp_path, example=(x[:1],))
