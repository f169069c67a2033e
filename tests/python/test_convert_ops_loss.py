"""Losses, with every reduction."""

import pytest
import torch
import torch.nn.functional as F

from conversion import check_conversion, random_input

REDUCTIONS = ["mean", "sum", "none"]
CLASSES = torch.tensor([0, 3, 2, 1])
PIXELS = torch.arange(24).reshape(2, 3, 4) % 5
WEIGHTS = [1.0, 2.0, 3.0, 4.0, 5.0]

PAIRS = {
    "mse": lambda x, t, r: F.mse_loss(x, t, reduction=r),
    "l1": lambda x, t, r: F.l1_loss(x, t, reduction=r),
    "smooth_l1": lambda x, t, r: F.smooth_l1_loss(x, t, reduction=r, beta=0.7),
    "huber": lambda x, t, r: F.huber_loss(x, t, reduction=r, delta=0.7),
    "bce": lambda x, t, r: F.binary_cross_entropy(x.sigmoid(), t.sigmoid(), reduction=r),
    "bce_logits": lambda x, t, r: F.binary_cross_entropy_with_logits(
        x, t.sigmoid(), reduction=r, pos_weight=torch.tensor(WEIGHTS)
    ),
    "kl": lambda x, t, r: F.kl_div(F.log_softmax(x, 1), F.softmax(t, 1), reduction=r),
    "kl_log": lambda x, t, r: F.kl_div(
        F.log_softmax(x, 1), F.log_softmax(t, 1), reduction=r, log_target=True
    ),
    "hinge": lambda x, t, r: F.hinge_embedding_loss(x, t.sign(), reduction=r),
    "soft_margin": lambda x, t, r: F.soft_margin_loss(x, t.sign(), reduction=r),
    "cosine": lambda x, t, r: F.cosine_embedding_loss(
        x, t, torch.tensor([1.0, -1, 1, -1]), reduction=r
    ),
    "triplet": lambda x, t, r: F.triplet_margin_loss(x, t, x * 2, swap=True, reduction=r),
    "ranking": lambda x, t, r: F.margin_ranking_loss(x, t, (x - 1).sign(), 0.3, reduction=r),
    "poisson": lambda x, t, r: F.poisson_nll_loss(x, 3 * t.abs(), full=True, reduction=r),
    "poisson_rate": lambda x, t, r: F.poisson_nll_loss(
        x.abs(), t.abs(), log_input=False, reduction=r
    ),
    "soft_classes": lambda x, t, r: F.cross_entropy(
        x, t.softmax(1), reduction=r, label_smoothing=0.1
    ),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_pair(name, reduction):
    x, target = random_input(4, 5), random_input(4, 5, seed=1)
    check_conversion(
        lambda x, t: PAIRS[name](x, t, reduction), x, target, generated=reduction == "mean"
    )


CLASS_LOSSES = {
    "plain": lambda x, t, r: F.cross_entropy(x, t, reduction=r),
    "smooth": lambda x, t, r: F.cross_entropy(x, t, reduction=r, label_smoothing=0.1),
    "weighted": lambda x, t, r: F.cross_entropy(
        x, t, torch.tensor(WEIGHTS), ignore_index=2, reduction=r, label_smoothing=0.2
    ),
    "nll": lambda x, t, r: F.nll_loss(F.log_softmax(x, 1), t, reduction=r),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_classes(name, reduction):
    def loss(x, target):
        return CLASS_LOSSES[name](x, target, reduction)

    check_conversion(loss, random_input(4, 5), CLASSES)
    check_conversion(loss, random_input(2, 5, 3, 4), PIXELS, generated=False)
