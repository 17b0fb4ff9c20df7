"""Circle loss: every similarity is weighed by how far it is from where it should be."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hyperface_lib.losses.cosine_head import RowRule
from hyperface_lib.losses.margins import check_gradient, check_number
from hyperface_lib.losses.miners import same_class
from hyperface_lib.losses.pairwise import TupleHead
from hyperface_lib.losses.target_margin import TargetMarginHead


def circle_positive(cosines: Tensor, margin: float, gradient: str) -> Tensor:
    """Return a_p (s - D_p) with a_p = [1 + m - s]_+ and D_p = 1 - m; "detached" takes a_p as a constant."""
    origin = cosines.detach() if gradient == "detached" else cosines
    return (1.0 + margin - origin).clamp_min(0.0) * (cosines - (1.0 - margin))


def circle_negative(cosines: Tensor, margin: float, gradient: str) -> Tensor:
    """Return a_n (s - D_n) with a_n = [s + m]_+ and D_n = m; "detached" takes a_n as a constant."""
    origin = cosines.detach() if gradient == "detached" else cosines
    return (origin + margin).clamp_min(0.0) * (cosines - margin)


class CircleHead(TargetMarginHead):
    """Circle loss with class centres: softmax over scale * a_p (s_p - D_p) and scale * a_n (s_n - D_n).

    s are cosines, a_p = [1 + m - s_p]_+, a_n = [s_n + m]_+, D_p = 1 - m, D_n = m (Sun et al., arXiv 2002.10857, eq. 6
    with one positive, the class centre). The weights a are constants in the paper's gradient (its eq. 10), so
    "detached" is the default here; "exact" differentiates them too. Defaults of the paper for faces: scale (gamma) 256,
    m 0.25.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 256.0,
        margin_cosine: float = 0.25,
        gradient: str = "detached",
        learnable_scale: bool = False,
    ) -> None:
        super().__init__(dimension, classes, scale, gradient, learnable_scale)
        self.margin_cosine = check_number("margin_cosine", margin_cosine, low=0.0, high=1.0)

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        """Weigh the target; here the detached gradient is that of a constant weight, not of a margin let through."""
        del norms
        return RowRule(circle_positive(own, self.margin_cosine * self.margin_fraction, self.gradient))

    def adjust(self, cosines: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """Return the weighed similarities (n, classes)."""
        own = cosines.gather(1, labels[:, None]).squeeze(1)
        others = circle_negative(cosines, self.margin_cosine * self.margin_fraction, self.gradient)
        return self.row_rule(own, norms).applied(others, labels)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,); -1 means no label."""
        return self.plain_loss(features, labels)


class CirclePairHead(TupleHead):
    """Circle loss over the pairs of a batch: log(1 + sum_n e^{s a_n (s_n - D_n)} sum_p e^{-s a_p (s_p - D_p)}).

    Source: Sun et al., arXiv 2002.10857, eq. 6, for each anchor with at least one positive and one negative; the mean
    over those. It has no class centres. Defaults and gradient as in `CircleHead`.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 256.0,
        margin_cosine: float = 0.25,
        gradient: str = "detached",
    ) -> None:
        super().__init__(dimension, classes)
        self.scale = check_number("scale", scale, low=0.0)
        self.margin_cosine = check_number("margin_cosine", margin_cosine, low=0.0, high=1.0)
        self.gradient = check_gradient(gradient)

    def loss(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over anchors; 0 if no anchor has both a positive and a negative."""
        margin = self.margin_cosine * self.margin_fraction
        positive = same_class(labels)
        negative = labels[:, None] != labels[None, :]
        usable = positive.any(dim=1) & negative.any(dim=1)
        if not bool(usable.any()):
            return cosines.sum() * 0.0
        cosines, positive, negative = cosines[usable], positive[usable], negative[usable]
        pulls = -self.scale * circle_positive(cosines, margin, self.gradient)
        pushes = self.scale * circle_negative(cosines, margin, self.gradient)
        of_positives = torch.logsumexp(pulls.masked_fill(~positive, -torch.inf), dim=1)
        of_negatives = torch.logsumexp(pushes.masked_fill(~negative, -torch.inf), dim=1)
        return functional.softplus(of_positives + of_negatives).mean()
