"""What the classification heads share: class centres, safe cosines, cross-entropy, and a record of the angles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperface_lib.losses.fused import row_losses
from hyperface_lib.losses.margins import unit_rows
from hyperface_lib.losses.row_rule import HardNegatives, RowRule

__all__ = ["AngleRecord", "CosineHead", "HardNegatives", "RowRule"]


@dataclass(frozen=True)
class AngleRecord:
    """Angles of the last batch in degrees: to the own centre, and to the nearest other centre (empty for one class)."""

    target_degrees: Tensor
    nearest_other_degrees: Tensor


@torch.no_grad()
def angle_record(own: Tensor, nearest_other: Tensor) -> AngleRecord:
    """Return the angles of cosines (n,) to own and nearest other centres; -inf where there is no other."""
    others = nearest_other if bool((nearest_other > -torch.inf).all()) else nearest_other[:0]
    own_degrees, other_degrees = (torch.rad2deg(torch.acos(part.detach().clamp(-1, 1))) for part in (own, others))
    return AngleRecord(own_degrees, other_degrees)


class CosineHead(nn.Module):
    """Softmax over scaled cosines between features and class centres.

    A subclass overrides `row_rule`, which says what becomes of the target's cosine and of hard negatives, and `reduce`
    where the losses of a batch are not simply averaged. Arithmetic is float32 whatever the features' format (float64
    if the centres are). Rows labelled -1 are ignored; a zero feature has cosine 0 to all and no gradient.
    `learnable_scale` makes `scale` a parameter. `margin_fraction` (0 .. 1) scales the margin while it warms up.
    """

    scale: float | nn.Parameter

    def __init__(self, dimension: int, classes: int, scale: float = 64.0, learnable_scale: bool = False) -> None:
        super().__init__()
        if dimension < 1 or classes < 1:
            raise ValueError(f"a head needs dimension >= 1 and classes >= 1, found {dimension} and {classes}")
        if not scale > 0:
            raise ValueError(f"scale must be above 0, found {scale}")
        self.dimension = dimension
        self.classes = classes
        self.scale = nn.Parameter(torch.tensor(float(scale))) if learnable_scale else float(scale)
        self.margin_fraction = 1.0
        self.angles: AngleRecord | None = None
        self.weight = nn.Parameter(torch.randn(classes, dimension) * 0.05)

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        """Return the rule of a batch from the target cosines `own` (n,) and the features' lengths `norms` (n,)."""
        del norms
        return RowRule(own)

    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        """Return the loss of a batch from the cross-entropies of its rows (n,), at least one."""
        del own, norms
        return losses.mean()

    def cosines(self, features: Tensor) -> Tensor:
        """Return float32 cosines (n, classes) between features (n, dimension) and the class centres."""
        with torch.autocast(features.device.type, enabled=False):
            return unit_rows(self._precise(features)) @ unit_rows(self._precise(self.weight)).T

    def adjust(self, cosines: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """Return the cosines (n, classes) that enter the softmax; `norms` (n,) are the features' lengths."""
        own = cosines.gather(1, labels[:, None]).squeeze(1)
        return self.row_rule(own, norms).applied(cosines, labels)

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the logits (n, classes) of valid labels with the margin applied; also records the angles."""
        with torch.autocast(features.device.type, enabled=False):
            cosines = self.cosines(features)
            self._record(cosines.detach(), labels)
            return self.scale * self.adjust(cosines, labels, self._precise(features).norm(dim=1))

    def plain_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return what `forward` returns, by ordinary automatic differentiation through all (n, classes) logits."""
        features, labels = self._checked(features, labels)
        if len(labels) == 0:
            return self._no_loss(features)
        with torch.autocast(features.device.type, enabled=False):
            cosines = self.cosines(features)
            self._record(cosines.detach(), labels)
            norms = self._precise(features).norm(dim=1)
            logits = self.scale * self.adjust(cosines, labels, norms)
            losses = functional.cross_entropy(logits, labels, reduction="none")
            return self.reduce(losses, cosines.gather(1, labels[:, None]).squeeze(1), norms)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,); -1 means no label.

        Raises ValueError if the shapes disagree or a label lies outside -1 .. classes - 1.
        """
        features, labels = self._checked(features, labels)
        if len(labels) == 0:
            return self._no_loss(features)
        rows = row_losses(features, self.weight, labels, self.scale, self.row_rule)
        self.angles = angle_record(rows.own, rows.nearest_other)
        return self.reduce(rows.losses, rows.own, rows.norms)

    def _precise(self, values: Tensor) -> Tensor:
        """Return `values` as float32, or as float64 if the centres are."""
        return values.to(torch.float64 if self.weight.dtype == torch.float64 else torch.float32)

    def _no_loss(self, features: Tensor) -> Tensor:
        """Return 0 with a gradient of 0 for everything."""
        nothing = self._precise(features).sum() + sum(parameter.sum() for parameter in self.parameters())
        return nothing * 0.0

    def _checked(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows that have a label. Raises ValueError if shapes disagree or a label is out of range."""
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise ValueError(f"features must be (n, {self.dimension}), found {tuple(features.shape)}")
        if labels.shape != features.shape[:1]:
            raise ValueError(f"labels must be ({len(features)},) to match the features, found {tuple(labels.shape)}")
        labels = labels.long()
        if len(labels) and (int(labels.min()) < -1 or int(labels.max()) >= self.classes):
            raise ValueError(
                f"labels must lie in -1 .. {self.classes - 1}, found {int(labels.min())} .. {int(labels.max())}"
            )
        known = labels >= 0
        if bool(known.all()):
            return features, labels
        return features[known], labels[known]

    def _record(self, cosines: Tensor, labels: Tensor) -> None:
        index = labels[:, None]
        self.angles = angle_record(
            cosines.gather(1, index).squeeze(1), cosines.scatter(1, index, -torch.inf).amax(dim=1)
        )
