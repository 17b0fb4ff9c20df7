"""The reverse process: from noise to latents by DPM-Solver++, guided towards the identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hyperface_lib.synthesis.diffusers_parts import DPMSolverMultistepScheduler


def denoise(
    predict: Callable[[Tensor, Tensor, Tensor], Tensor],
    schedule_config: Any,
    latents: Tensor,
    conditional: Tensor,
    unconditional: Tensor,
    steps: int,
    guidance: float,
    guided_share: float = 1.0,
) -> Tensor:
    """Turn noise (n, c, h, w) into latents, with `predict(latents, time, condition)` giving v.

    Guidance w replaces v by v0 + w (v1 - v0), v1 under `conditional` and v0 under `unconditional` (n, k): w = 1 is the
    conditional model and costs half. Only the first `guided_share` of the steps are guided: once the noise is low the
    identity is settled, and guiding further costs time and sharpness (Kynkäänniemi et al. 2024).
    """
    solver = DPMSolverMultistepScheduler.from_config(schedule_config)
    solver.set_timesteps(steps)
    guided_steps = 0 if guidance == 1 else round(guided_share * steps)
    both = torch.cat([conditional, unconditional])
    for number, time in enumerate(solver.timesteps):
        if number < guided_steps:
            with_identity, without = predict(torch.cat([latents, latents]), time, both).chunk(2)
            velocity = without + guidance * (with_identity - without)
        else:
            velocity = predict(latents, time, conditional)
        latents = solver.step(velocity, time, latents).prev_sample
    return latents
