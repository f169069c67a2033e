"""One thread each: tests neither fight for cores nor depend on their number."""

import torch

torch.set_num_threads(1)
