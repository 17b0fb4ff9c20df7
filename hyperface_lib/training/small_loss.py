"""A baseline against label noise: in every batch the samples of largest loss count nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.losses import ArcFaceHead


class SmallLossArcFaceHead(ArcFaceHead):
    """ArcFace over the samples of smallest loss, as networks learn what is consistent before they learn the noise.

    The share given weight 0 grows on a line from none to `noise_share` over the first `ramp_steps` calls in training,
    then stays: selection and schedule of Co-teaching (Han et al., arXiv 1804.06872), by one network about itself (Shen
    and Sanghavi, arXiv 1810.11874). It has to be told how much noise there is.
    """

    steps: Tensor

    def __init__(
        self,
        dimension: int,
        classes: int,
        scale: float = 64.0,
        margin_radians: float = 0.5,
        noise_share: float = 0.38,
        ramp_steps: int = 500,
    ) -> None:
        super().__init__(dimension, classes, scale=scale, margin_radians=margin_radians)
        if not 0 <= noise_share < 1:
            raise ValueError(f"noise_share must lie in 0 .. 1, 1 excluded, found {noise_share}")
        self.noise_share = float(noise_share)
        self.ramp_steps = int(ramp_steps)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @property
    def dropped_share(self) -> float:
        """The share of a batch that has no weight at present."""
        return self.noise_share * min(1.0, int(self.steps) / max(1, self.ramp_steps))

    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        """Return the mean of the smallest of the losses (n,), at least one; of all of them in evaluation mode."""
        del own, norms
        if not self.training:
            return losses.mean()
        kept = max(1, round(len(losses) * (1 - self.dropped_share)))
        self.steps += 1
        return losses.topk(kept, largest=False).values.mean()
