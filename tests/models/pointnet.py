"""PointNet (Qi et al., 2016): learned alignments, shared MLPs over points, a global maximum."""

import torch
import torch.nn.functional as F
from torch import nn


class TNet(nn.Module):
    """A k x k alignment of the points."""

    def __init__(self, k: int, width: float) -> None:
        super().__init__()
        c = [int(n * width) for n in (64, 128, 1024, 512, 256)]
        self.k = k
        self.conv1 = nn.Conv1d(k, c[0], 1)
        self.conv2 = nn.Conv1d(c[0], c[1], 1)
        self.conv3 = nn.Conv1d(c[1], c[2], 1)
        self.fc1 = nn.Linear(c[2], c[3])
        self.fc2 = nn.Linear(c[3], c[4])
        self.fc3 = nn.Linear(c[4], k * k)
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm1d(n) for n in c[:3])
        self.bn4, self.bn5 = nn.BatchNorm1d(c[3]), nn.BatchNorm1d(c[4])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch = x.size(0)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = torch.max(x, 2, keepdim=True)[0].flatten(1)
        x = F.relu(self.bn4(self.fc1(x)))
        x = F.relu(self.bn5(self.fc2(x)))
        identity = torch.eye(self.k, device=x.device).flatten().repeat(batch, 1)
        return (self.fc3(x) + identity).view(-1, self.k, self.k)


class PointNet(nn.Module):
    def __init__(self, num_classes: int = 40, width: float = 1.0) -> None:
        super().__init__()
        c = [int(n * width) for n in (64, 128, 1024, 512, 256)]
        self.stn = TNet(3, width)
        self.fstn = TNet(c[0], width)
        self.conv1 = nn.Conv1d(3, c[0], 1)
        self.conv2 = nn.Conv1d(c[0], c[1], 1)
        self.conv3 = nn.Conv1d(c[1], c[2], 1)
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm1d(n) for n in c[:3])
        self.fc1 = nn.Linear(c[2], c[3])
        self.fc2 = nn.Linear(c[3], c[4])
        self.fc3 = nn.Linear(c[4], num_classes)
        self.dropout = nn.Dropout(p=0.4)
        self.bn4, self.bn5 = nn.BatchNorm1d(c[3]), nn.BatchNorm1d(c[4])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x: [batch, 3, points]; log probabilities and the alignment of the features."""
        x = torch.bmm(x.transpose(2, 1), self.stn(x)).transpose(2, 1)
        x = F.relu(self.bn1(self.conv1(x)))
        alignment = self.fstn(x)
        x = torch.bmm(x.transpose(2, 1), alignment).transpose(2, 1)
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x = torch.max(x, 2)[0]
        x = F.relu(self.bn4(self.fc1(x)))
        x = F.relu(self.bn5(self.dropout(self.fc2(x))))
        return F.log_softmax(self.fc3(x), dim=1), alignment
