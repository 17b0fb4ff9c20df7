"""Training of the denoiser: v-prediction on the codec's latents under identity and nuisance."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its customary name

from hyperface_lib.build.team import Team
from hyperface_lib.build.training_budget import Budget, trapezoid
from hyperface_lib.embedding.devices import autocast, training_dtype
from hyperface_lib.synthesis.conditioning import condition
from hyperface_lib.synthesis.diffusers_parts import Denoiser, training_schedule


@dataclass(frozen=True)
class DenoiserRecipe:
    """Rates, shares and weights of denoiser training."""

    learning_rate: float = 8e-4
    batch_size: int = 64
    weight_decay: float = 1e-3
    average_decay: float = 0.999
    identity_drop: float = 0.12
    nuisance_drop: float = 0.25
    largest_snr: float = 5.0
    class_mean_share: float = 0.5
    largest_gradient: float = 1.0
    warm_up_steps: int = 200


@dataclass(frozen=True, eq=False)
class DenoiserData:
    """Latents (n, c, h, w) scaled to unit spread, nuisance scores (n, k), recogniser vectors (people, pictures, d).

    Picture j of person i is row i * pictures + j.
    """

    latents: Tensor
    scores: Tensor
    vectors: Tensor

    def __post_init__(self) -> None:
        people, pictures, _ = self.vectors.shape
        if not len(self.latents) == len(self.scores) == people * pictures:
            raise ValueError(
                f"denoiser data: expected {people} x {pictures} latents and scores, "
                f"found {len(self.latents)} and {len(self.scores)}"
            )


class DenoiserTrainer:
    """Train a denoiser with an exponential average of its weights.

    The identity condition is half the time the person's mean vector, half the mean of a random few of their pictures,
    as galleries hold both. Every draw is a function of (seed, step), and the learning rate one of the budget: a run
    that was interrupted goes on as if it had not been. A team of processes shares each batch: every member holds all
    the data and makes the step that one process would, up to rounding.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        data: DenoiserData,
        budget: Budget,
        recipe: DenoiserRecipe | None = None,
        seed: int = 0,
        precision: str = "auto",
        team: Team | None = None,
    ) -> None:
        self.team = team or Team()
        self.denoiser = denoiser.train()
        self.average: Denoiser = copy.deepcopy(denoiser).eval().requires_grad_(False)
        self.data = data
        self.budget = budget
        self.recipe = recipe or DenoiserRecipe()
        self.seed = seed
        self.device = torch.device("cpu")
        self.dtype = training_dtype(self.device, precision)
        self._alphas = training_schedule().alphas_cumprod
        self._means = F.normalize(data.vectors.mean(dim=1), dim=1)
        self.optimizer = torch.optim.AdamW(
            denoiser.parameters(),
            self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            betas=(0.9, 0.99),
            fused=True,
        )
        self.step_number = 0
        self.core_seconds = 0.0

    @property
    def fraction(self) -> float:
        """The share of the training that is done."""
        return self.budget.fraction(self.step_number, self.core_seconds)

    def step(self) -> dict[str, float]:
        """Make one step; return the unweighted loss of v (on this member's rows) and the length of the gradient."""
        recipe = self.recipe
        draws = torch.Generator().manual_seed((self.seed << 32) + self.step_number)
        rate = recipe.learning_rate * trapezoid(self.fraction, self.step_number, recipe.warm_up_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        mine = self.team.rows(recipe.batch_size)
        noisy, times, conditions, velocity, weights = (drawn[mine] for drawn in self._batch(draws))
        with autocast(self.device, self.dtype):
            predicted = self.denoiser(noisy, times, encoder_hidden_states=None, class_labels=conditions).sample
        losses = (predicted.float() - velocity).square().mean(dim=(1, 2, 3))
        self.optimizer.zero_grad(set_to_none=True)
        (losses * weights).mean().backward()
        self.team.average_gradients(self.denoiser.parameters())
        gradient = nn.utils.clip_grad_norm_(self.denoiser.parameters(), recipe.largest_gradient)
        if not torch.isfinite(gradient):
            raise RuntimeError(f"denoiser training: the gradient of step {self.step_number} is not finite")
        self.optimizer.step()
        self.step_number += 1
        self._update_average()
        return {"loss": float(losses.mean().detach()), "gradient": float(gradient), "learning_rate": rate}

    def _batch(self, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Draw noisy latents, their times and conditions, the v to predict, and the weight of each."""
        size = self.recipe.batch_size
        rows = torch.randint(len(self.data.latents), (size,), generator=draws)
        clean = self.data.latents[rows]
        identities = self._identities(rows // self.data.vectors.shape[1], draws)
        keep_identity = torch.rand(size, generator=draws) >= self.recipe.identity_drop
        keep_nuisance = torch.rand(size, generator=draws) >= self.recipe.nuisance_drop
        conditions = condition(identities, self.data.scores[rows], keep_identity, keep_nuisance)
        times = torch.randint(len(self._alphas), (size,), generator=draws)
        noise = torch.randn(clean.shape, generator=draws)
        alphas = self._alphas[times]
        signal, spread = alphas.sqrt().view(-1, 1, 1, 1), (1 - alphas).sqrt().view(-1, 1, 1, 1)
        # Hang et al. 2023: what is nearly clean already is not worth more than a signal-to-noise ratio of 5.
        weights = (self.recipe.largest_snr * (1 - alphas) / alphas).clamp(max=1.0)
        return signal * clean + spread * noise, times, conditions, signal * noise - spread * clean, weights

    def _identities(self, people: Tensor, draws: torch.Generator) -> Tensor:
        """Return a unit vector (n, d) of each person: their mean, or the mean of a random non-empty few of pictures."""
        size, pictures = len(people), self.data.vectors.shape[1]
        share = torch.rand(size, 1, generator=draws)
        chosen = (torch.rand(size, pictures, generator=draws) < share).float()
        chosen[torch.arange(size), torch.randint(pictures, (size,), generator=draws)] = 1.0
        some = F.normalize((self.data.vectors[people] * chosen[..., None]).sum(dim=1), dim=1)
        use_mean = torch.rand(size, 1, generator=draws) < self.recipe.class_mean_share
        return torch.where(use_mean, self._means[people], some)

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average follows faster: it would be of random weights otherwise.
        decay = min(self.recipe.average_decay, (1 + self.step_number) / (10 + self.step_number))
        targets = list(self.average.parameters())
        torch._foreach_lerp_(targets, [parameter.detach() for parameter in self.denoiser.parameters()], 1 - decay)

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs."""
        return {
            "denoiser": self.denoiser.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step_number,
            "core_seconds": self.core_seconds,
            "seed": self.seed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.denoiser.load_state_dict(state["denoiser"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step_number, self.core_seconds = int(state["step"]), float(state["core_seconds"])
        self.seed = int(state["seed"])
