"""A detector of the YOLOv5 kind: focus slicing, CSP blocks, SPPF, PAN, decoded boxes."""

import torch
from torch import nn


class Conv(nn.Module):
    def __init__(self, inp: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inp, out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.conv(x)))


class Focus(nn.Module):
    """Space to depth by strided slices."""

    def __init__(self, inp: int, out: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = Conv(inp * 4, out, kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = (
            x[..., ::2, ::2],
            x[..., 1::2, ::2],
            x[..., ::2, 1::2],
            x[..., 1::2, 1::2],
        )
        return self.conv(torch.cat(parts, 1))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels, 1)
        self.cv2 = Conv(channels, channels, 3)
        self.add = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    def __init__(self, inp: int, out: int, repeats: int = 1, shortcut: bool = True) -> None:
        super().__init__()
        hidden = out // 2
        self.cv1 = Conv(inp, hidden)
        self.cv2 = Conv(inp, hidden)
        self.cv3 = Conv(2 * hidden, out)
        self.m = nn.Sequential(*[Bottleneck(hidden, shortcut) for _ in range(repeats)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    def __init__(self, inp: int, out: int, kernel: int = 5) -> None:
        super().__init__()
        self.cv1 = Conv(inp, inp // 2)
        self.cv2 = Conv(inp * 2, out)
        self.m = nn.MaxPool2d(kernel_size=kernel, stride=1, padding=kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.cv1(x)
        y1 = self.m(x)
        y2 = self.m(y1)
        return self.cv2(torch.cat((x, y1, y2, self.m(y2)), 1))


class Detect(nn.Module):
    """Raw maps in training, [B, boxes, 5 + classes] of (x, y, w, h, confidences) otherwise."""

    def __init__(self, num_classes: int, channels: list[int]) -> None:
        super().__init__()
        self.outputs = num_classes + 5
        anchors = torch.tensor(
            [
                [[10, 13], [16, 30], [33, 23]],
                [[30, 61], [62, 45], [59, 119]],
                [[116, 90], [156, 198], [373, 326]],
            ]
        )
        self.strides = [8, 16, 32]
        self.register_buffer("anchors", anchors.float())
        self.m = nn.ModuleList([nn.Conv2d(c, self.outputs * 3, 1) for c in channels])

    def forward(self, maps: list[torch.Tensor]):
        raw, decoded = [], []
        for index, (conv, x) in enumerate(zip(self.m, maps, strict=True)):
            x = conv(x)
            batch, _, height, width = x.shape
            x = x.view(batch, 3, self.outputs, height, width).permute(0, 1, 3, 4, 2).contiguous()
            raw.append(x)
            if self.training:
                continue
            ys, xs = torch.meshgrid(
                torch.arange(height, device=x.device),
                torch.arange(width, device=x.device),
                indexing="ij",
            )
            grid = torch.stack((xs, ys), 2).expand(1, 3, height, width, 2) - 0.5
            anchor = self.anchors[index].view(1, 3, 1, 1, 2)
            xy, wh, confidence = x.sigmoid().split((2, 2, self.outputs - 4), 4)
            xy = (xy * 2 + grid) * self.strides[index]
            wh = (wh * 2) ** 2 * anchor
            decoded.append(torch.cat((xy, wh, confidence), 4).view(batch, -1, self.outputs))
        return raw if self.training else torch.cat(decoded, 1)


class YOLO(nn.Module):
    """The nano size at width 0.25 and depth 0.33."""

    def __init__(self, num_classes: int = 80, width: float = 0.25, depth: float = 0.33) -> None:
        super().__init__()

        def n(repeats: int) -> int:
            return max(round(repeats * depth), 1)

        c = [int(channels * width) for channels in (64, 128, 256, 512, 1024)]
        self.stem = Focus(3, c[0])
        self.down2 = nn.Sequential(Conv(c[0], c[1], 3, 2), C3(c[1], c[1], n(3)))
        self.down3 = nn.Sequential(Conv(c[1], c[2], 3, 2), C3(c[2], c[2], n(6)))
        self.down4 = nn.Sequential(Conv(c[2], c[3], 3, 2), C3(c[3], c[3], n(9)))
        self.down5 = nn.Sequential(Conv(c[3], c[4], 3, 2), C3(c[4], c[4], n(3)), SPPF(c[4], c[4]))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral5 = Conv(c[4], c[3])
        self.top4 = C3(2 * c[3], c[3], n(3), shortcut=False)
        self.lateral4 = Conv(c[3], c[2])
        self.top3 = C3(2 * c[2], c[2], n(3), shortcut=False)
        self.bottom3 = Conv(c[2], c[2], 3, 2)
        self.out4 = C3(2 * c[2], c[3], n(3), shortcut=False)
        self.bottom4 = Conv(c[3], c[3], 3, 2)
        self.out5 = C3(2 * c[3], c[4], n(3), shortcut=False)
        self.detect = Detect(num_classes, [c[2], c[3], c[4]])

    def forward(self, x: torch.Tensor):
        p3 = self.down3(self.down2(self.stem(x)))
        p4 = self.down4(p3)
        l5 = self.lateral5(self.down5(p4))
        l4 = self.lateral4(self.top4(torch.cat((self.up(l5), p4), 1)))
        n3 = self.top3(torch.cat((self.up(l4), p3), 1))
        n4 = self.out4(torch.cat((self.bottom3(n3), l4), 1))
        n5 = self.out5(torch.cat((self.bottom4(n4), l5), 1))
        return self.detect([n3, n4, n5])
