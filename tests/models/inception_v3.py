"""Inception v3 (Szegedy et al., 2015): all its branches, asymmetric convolutions."""

import torch
import torch.nn.functional as F
from torch import nn


class BasicConv2d(nn.Module):
    def __init__(self, inp: int, out: int, **kwargs) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inp, out, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class InceptionA(nn.Module):
    def __init__(self, inp: int, pool: int, s) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inp, s(64), kernel_size=1)
        self.branch5x5_1 = BasicConv2d(inp, s(48), kernel_size=1)
        self.branch5x5_2 = BasicConv2d(s(48), s(64), kernel_size=5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(inp, s(64), kernel_size=1)
        self.branch3x3dbl_2 = BasicConv2d(s(64), s(96), kernel_size=3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(s(96), s(96), kernel_size=3, padding=1)
        self.branch_pool = BasicConv2d(inp, s(pool), kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        branches = [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(pooled),
        ]
        return torch.cat(branches, 1)


class InceptionB(nn.Module):
    def __init__(self, inp: int, s) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(inp, s(384), kernel_size=3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(inp, s(64), kernel_size=1)
        self.branch3x3dbl_2 = BasicConv2d(s(64), s(96), kernel_size=3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(s(96), s(96), kernel_size=3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionC(nn.Module):
    def __init__(self, inp: int, channels7x7: int, s) -> None:
        super().__init__()
        c7, out = s(channels7x7), s(192)
        row, column = (
            {"kernel_size": (1, 7), "padding": (0, 3)},
            {"kernel_size": (7, 1), "padding": (3, 0)},
        )
        self.branch1x1 = BasicConv2d(inp, out, kernel_size=1)
        self.branch7x7 = nn.Sequential(
            BasicConv2d(inp, c7, kernel_size=1),
            BasicConv2d(c7, c7, **row),
            BasicConv2d(c7, out, **column),
        )
        self.branch7x7dbl = nn.Sequential(
            BasicConv2d(inp, c7, kernel_size=1),
            BasicConv2d(c7, c7, **column),
            BasicConv2d(c7, c7, **row),
            BasicConv2d(c7, c7, **column),
            BasicConv2d(c7, out, **row),
        )
        self.branch_pool = BasicConv2d(inp, out, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        return torch.cat(
            [self.branch1x1(x), self.branch7x7(x), self.branch7x7dbl(x), self.branch_pool(pooled)],
            1,
        )


class InceptionD(nn.Module):
    def __init__(self, inp: int, s) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(inp, s(192), kernel_size=1)
        self.branch3x3_2 = BasicConv2d(s(192), s(320), kernel_size=3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(inp, s(192), kernel_size=1)
        self.branch7x7x3_2 = BasicConv2d(s(192), s(192), kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = BasicConv2d(s(192), s(192), kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = BasicConv2d(s(192), s(192), kernel_size=3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        branches = [self.branch3x3_2(self.branch3x3_1(x)), self.branch7x7x3_4(y)]
        return torch.cat([*branches, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionE(nn.Module):
    def __init__(self, inp: int, s) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inp, s(320), kernel_size=1)
        self.branch3x3_1 = BasicConv2d(inp, s(384), kernel_size=1)
        self.branch3x3_2a = BasicConv2d(s(384), s(384), kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv2d(s(384), s(384), kernel_size=(3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = BasicConv2d(inp, s(448), kernel_size=1)
        self.branch3x3dbl_2 = BasicConv2d(s(448), s(384), kernel_size=3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(s(384), s(384), kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = BasicConv2d(s(384), s(384), kernel_size=(3, 1), padding=(1, 0))
        self.branch_pool = BasicConv2d(inp, s(192), kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.branch3x3_1(x)
        z = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [
            self.branch1x1(x),
            torch.cat([self.branch3x3_2a(y), self.branch3x3_2b(y)], 1),
            torch.cat([self.branch3x3dbl_3a(z), self.branch3x3dbl_3b(z)], 1),
            self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)),
        ]
        return torch.cat(branches, 1)


class InceptionV3(nn.Module):
    """Without the auxiliary classifier; `transform_input` renormalises the channels."""

    def __init__(
        self, num_classes: int = 1000, width: float = 1.0, transform_input: bool = False
    ) -> None:
        super().__init__()

        def s(channels: int) -> int:
            return max(1, int(channels * width))

        self.transform_input = transform_input
        self.stem = nn.Sequential(
            BasicConv2d(3, s(32), kernel_size=3, stride=2),
            BasicConv2d(s(32), s(32), kernel_size=3),
            BasicConv2d(s(32), s(64), kernel_size=3, padding=1),
            nn.MaxPool2d(kernel_size=3, stride=2),
            BasicConv2d(s(64), s(80), kernel_size=1),
            BasicConv2d(s(80), s(192), kernel_size=3),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        a1 = s(64) + s(64) + s(96) + s(32)
        a2 = s(64) + s(64) + s(96) + s(64)
        b = s(384) + s(96) + a2
        c = 4 * s(192)
        d = s(320) + s(192) + c
        e = s(320) + 4 * s(384) + s(192)
        self.mixed = nn.Sequential(
            InceptionA(s(192), 32, s),
            InceptionA(a1, 64, s),
            InceptionA(a2, 64, s),
            InceptionB(a2, s),
            InceptionC(b, 128, s),
            InceptionC(c, 160, s),
            InceptionC(c, 160, s),
            InceptionC(c, 192, s),
            InceptionD(c, s),
            InceptionE(d, s),
            InceptionE(e, s),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(e, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.transform_input:
            red = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
            green = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
            blue = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
            x = torch.cat((red, green, blue), 1)
        x = self.mixed(self.stem(x))
        x = self.dropout(self.avgpool(x))
        return self.fc(torch.flatten(x, 1))
