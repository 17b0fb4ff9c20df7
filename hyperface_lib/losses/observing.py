"""What heads share that remember something of the batches they were trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.losses.margins import unit_rows
from hyperface_lib.losses.target_margin import TargetMarginHead


class ObservingHead(TargetMarginHead):
    """A margin head that updates buffers from each training batch before it computes the loss of that batch.

    The buffers are part of the state dictionary, so a resumed run goes on exactly; in evaluation mode they stay as
    they are. Code that calls `row_rule` itself, without `forward`, calls `observe` first.
    """

    def observe(self, own: Tensor, norms: Tensor) -> None:
        """Update the buffers from the target cosines (n,) and the features' lengths (n,) of a batch, n >= 1."""
        raise NotImplementedError

    @torch.no_grad()
    def _observe(self, features: Tensor, labels: Tensor) -> None:
        features, labels = self._checked(features, labels)
        if len(labels) == 0:
            return
        with torch.autocast(features.device.type, enabled=False):
            rows = self._precise(features)
            own = (unit_rows(rows) * unit_rows(self._precise(self.weight[labels]))).sum(dim=1)
            self.observe(own, rows.norm(dim=1))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,), after observing them when in training mode."""
        if self.training:
            self._observe(features, labels)
        return super().forward(features, labels)
