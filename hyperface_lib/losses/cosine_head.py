"""What the classification heads share: class centres, safe cosines, cross-entropy, and a record of the angles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperface_lib.losses.margins import unit_rows


@dataclass(frozen=True)
class AngleRecord:
    """Angles of the last batch in degrees: to the own centre, and to the nearest other centre (empty for one class)."""

    target_degrees: Tensor
    nearest_other_degrees: Tensor


class CosineHead(nn.Module):
    """Softmax over scaled cosines between features and class centres.

    A subclass overrides `adjust`, which turns cosines into the cosines that enter the softmax. Arithmetic is float32
    whatever the features' format. Rows labelled -1 are ignored; a zero feature has cosine 0 to all and no gradient.
    """

    def __init__(self, dimension: int, classes: int, scale: float = 64.0) -> None:
        super().__init__()
        if dimension < 1 or classes < 1:
            raise ValueError(f"a head needs dimension >= 1 and classes >= 1, found {dimension} and {classes}")
        if not scale > 0:
            raise ValueError(f"scale must be above 0, found {scale}")
        self.dimension = dimension
        self.classes = classes
        self.scale = float(scale)
        self.margin_fraction = 1.0
        self.angles: AngleRecord | None = None
        self.weight = nn.Parameter(torch.randn(classes, dimension) * 0.05)

    def cosines(self, features: Tensor) -> Tensor:
        """Return float32 cosines (n, classes) between features (n, dimension) and the class centres."""
        with torch.autocast(features.device.type, enabled=False):
            return unit_rows(features.float()) @ unit_rows(self.weight.float()).T

    def adjust(self, cosines: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """Return the cosines (n, classes) that enter the softmax; `norms` (n,) are the features' lengths."""
        del labels, norms
        return cosines

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the logits (n, classes) of valid labels with the margin applied; also records the angles."""
        with torch.autocast(features.device.type, enabled=False):
            cosines = self.cosines(features)
            self._record(cosines.detach(), labels)
            return self.scale * self.adjust(cosines, labels, features.float().norm(dim=1))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of features (n, dimension) with labels (n,); -1 means no label.

        Raises ValueError if the shapes disagree or a label lies outside -1 .. classes - 1.
        """
        features, labels = self._checked(features, labels)
        if len(labels) == 0:
            return features.float().sum() * 0.0 + self.weight.sum() * 0.0
        with torch.autocast(features.device.type, enabled=False):
            return functional.cross_entropy(self.logits(features, labels), labels)

    def _checked(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
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

    @torch.no_grad()
    def _record(self, cosines: Tensor, labels: Tensor) -> None:
        index = labels[:, None]
        target = cosines.gather(1, index).squeeze(1)
        if cosines.shape[1] > 1:
            other = cosines.scatter(1, index, -2.0).amax(dim=1)
        else:
            other = cosines.new_empty(0)
        self.angles = AngleRecord(
            torch.rad2deg(torch.acos(target.clamp(-1, 1))), torch.rad2deg(torch.acos(other.clamp(-1, 1)))
        )
