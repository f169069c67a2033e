"""Makes `import models` (the zoo) work everywhere: pytest puts this file's folder on the path."""

import torch

torch.set_num_threads(1)
