"""Makes `import models` (the zoo) work in every test: pytest puts this file's folder on the path."""

import torch

torch.set_num_threads(1)
