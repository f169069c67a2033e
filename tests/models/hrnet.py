"""HRNet-W18-small (Wang et al., 2019): parallel resolutions that exchange features."""

import torch
import torch.nn.functional as F
from torch import nn

from .resnet import BasicBlock, Bottleneck


def conv_norm(inp: int, out: int, kernel: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inp, out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


class ExchangeModule(nn.Module):
    """Blocks on every resolution, then every output is the sum of all, resized."""

    def __init__(self, channels: list[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*[BasicBlock(c, c) for _ in range(blocks)]) for c in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._path(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )

    @staticmethod
    def _path(channels: list[int], source: int, target: int) -> nn.Module:
        if source == target:
            return nn.Identity()
        if source > target:
            return nn.Sequential(
                *conv_norm(channels[source], channels[target], 1, relu=False),
                nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
            )
        steps = []
        for step in range(target - source):
            last = step == target - source - 1
            out = channels[target] if last else channels[source]
            steps.append(conv_norm(channels[source], out, 3, 2, relu=not last))
        return nn.Sequential(*steps)

    def forward(self, xs: list[torch.Tensor]) -> list[torch.Tensor]:
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        fused = []
        for paths in self.fuse_layers:
            y = paths[0](xs[0])
            for path, x in zip(paths[1:], xs[1:], strict=True):
                y = y + path(x)
            fused.append(F.relu(y))
        return fused


class HRNet(nn.Module):
    def __init__(self, num_classes: int = 1000, width: float = 1.0, blocks: int = 2) -> None:
        super().__init__()
        channels = [int(16 * width) << level for level in range(4)]
        stem, first = int(64 * width), int(32 * width)
        self.stem = nn.Sequential(conv_norm(3, stem, 3, 2), conv_norm(stem, stem, 3, 2))
        self.layer1 = nn.Sequential(Bottleneck(stem, first))
        self.transition1 = nn.ModuleList(
            [conv_norm(first * 4, channels[0], 3), conv_norm(first * 4, channels[1], 3, 2)]
        )
        self.stage2 = ExchangeModule(channels[:2], blocks)
        self.transition2 = conv_norm(channels[1], channels[2], 3, 2)
        self.stage3 = ExchangeModule(channels[:3], blocks)
        self.transition3 = conv_norm(channels[2], channels[3], 3, 2)
        self.stage4 = ExchangeModule(channels, blocks)
        head = [int(n * width) for n in (32, 64, 128, 256)]
        self.incre_modules = nn.ModuleList(
            Bottleneck(c, h) for c, h in zip(channels, head, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(head[i] * 4, head[i + 1] * 4, 3, 2, 1),
                nn.BatchNorm2d(head[i + 1] * 4),
                nn.ReLU(inplace=True),
            )
            for i in range(3)
        )
        last = int(2048 * width)
        self.final_layer = nn.Sequential(
            nn.Conv2d(head[3] * 4, last, 1), nn.BatchNorm2d(last), nn.ReLU(inplace=True)
        )
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer1(self.stem(x))
        xs = self.stage2([transition(x) for transition in self.transition1])
        xs = self.stage3([*xs, self.transition2(xs[-1])])
        xs = self.stage4([*xs, self.transition3(xs[-1])])
        y = self.incre_modules[0](xs[0])
        for down, increase, x in zip(
            self.downsamp_modules, self.incre_modules[1:], xs[1:], strict=True
        ):
            y = increase(x) + down(y)
        y = self.final_layer(y)
        y = F.avg_pool2d(y, kernel_size=y.size()[2:]).view(y.size(0), -1)
        return self.classifier(y)
