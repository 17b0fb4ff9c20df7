"""Training of the codec: images to 8 x 8 latents and back, sharp where a recogniser looks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its customary name

from hyperface_lib.build.training_budget import Budget
from hyperface_lib.embedding.devices import autocast, training_dtype
from hyperface_lib.embedding.images import to_images, to_network_input
from hyperface_lib.synthesis.diffusers_parts import Codec, create_codec


@dataclass(frozen=True)
class CodecRecipe:
    """Weights and rates of codec training."""

    learning_rate: float = 2e-3
    batch_size: int = 16
    weight_decay: float = 1e-4
    gradient_weight: float = 0.5
    feature_weight: float = 0.1
    cosine_weight: float = 0.05
    latent_weight: float = 1e-3
    largest_noise: float = 0.25
    warm_up_steps: int = 100


class RecogniserFeatures:
    """What a frozen recogniser sees in an image: the outputs of its stages and its vector."""

    def __init__(self, backbone: nn.Module) -> None:
        self.backbone = backbone.eval().requires_grad_(False)
        self._outputs: list[Tensor] = []
        for block in backbone.blocks:  # type: ignore[union-attr]
            block.register_forward_hook(lambda _block, _inputs, output: self._outputs.append(output))

    def __call__(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the features of the last block of each resolution, and vectors (n, d)."""
        self._outputs.clear()
        vectors = self.backbone(images)
        by_shape = {output.shape: output for output in self._outputs}
        self._outputs.clear()
        return list(by_shape.values()), vectors


class CodecTrainer:
    """Train an autoencoder: pixels, their gradients, a recogniser's features, and small, noise-proof latents.

    `images` is uint8 (n, h, w, 3). Every draw is a function of (seed, step): a resumed run goes on with the same ones.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        features: RecogniserFeatures | None,
        budget: Budget,
        recipe: CodecRecipe | None = None,
        codec: Codec | None = None,
        seed: int = 0,
        precision: str = "auto",
    ) -> None:
        torch.manual_seed(seed)
        self.images = images
        self.features = features
        self.budget = budget
        self.recipe = recipe or CodecRecipe()
        self.codec: Codec = (codec or create_codec()).to(memory_format=torch.channels_last)
        self.seed = seed
        self.device = torch.device("cpu")
        self.dtype = training_dtype(self.device, precision)
        self.optimizer = torch.optim.AdamW(
            self.codec.parameters(), self.recipe.learning_rate, weight_decay=self.recipe.weight_decay, betas=(0.9, 0.99)
        )
        self.step_number = 0
        self.core_seconds = 0.0

    @property
    def fraction(self) -> float:
        """The share of the training that is done."""
        return self.budget.fraction(self.step_number, self.core_seconds)

    def step(self) -> dict[str, float]:
        """Make one step; return the parts of the loss."""
        recipe = self.recipe
        draws = np.random.default_rng((self.seed, self.step_number))
        noise_source = torch.Generator().manual_seed(int(draws.integers(2**62)))
        rate = recipe.learning_rate * min(1.0, (self.step_number + 1) / recipe.warm_up_steps)
        rate *= 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(1.0, self.fraction)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rows = np.sort(draws.choice(len(self.images), min(recipe.batch_size, len(self.images)), replace=False))
        batch = self.images[rows]
        images = to_network_input(batch[:, :, ::-1] if draws.random() < 0.5 else batch)
        self.codec.train()
        with autocast(self.device, self.dtype):
            latents = self.codec.encode(images).latent
            spread = latents.detach().float().std()
            share = torch.rand(len(images), 1, 1, 1, generator=noise_source) * recipe.largest_noise
            noise = torch.randn(latents.shape, generator=noise_source)
            # The first tenth without noise: the latents have to settle before their spread means something.
            disturbed = latents + share * spread * noise if self.fraction > 0.1 else latents
            restored = self.codec.decode(disturbed).sample.float()
            parts = {
                "pixel": (restored - images).abs().mean(),
                "gradient": _gradient_difference(restored, images),
                "latent": latents.float().square().mean(),
                **self._recogniser_parts(restored, images),
            }
        weights = {
            "pixel": 1.0,
            "gradient": recipe.gradient_weight,
            "latent": recipe.latent_weight,
            "feature": recipe.feature_weight,
            "cosine": recipe.cosine_weight,
        }
        loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.codec.parameters(), 1.0)
        self.optimizer.step()
        self.step_number += 1
        return {name: float(part.detach()) for name, part in parts.items()}

    def _recogniser_parts(self, restored: Tensor, images: Tensor) -> dict[str, Tensor]:
        if self.features is None:
            return {}
        seen, vectors = self.features(restored)
        with torch.no_grad():
            wanted, true_vectors = self.features(images)
        distances = [
            (a.float() - b.float()).abs().mean() / (b.float().std() + 1e-6) for a, b in zip(seen, wanted, strict=True)
        ]
        cosine = F.cosine_similarity(vectors.float(), true_vectors.float()).mean()
        return {"feature": torch.stack(distances).mean(), "cosine": 1 - cosine}

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs."""
        return {
            "codec": self.codec.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step_number,
            "core_seconds": self.core_seconds,
            "seed": self.seed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.codec.load_state_dict(state["codec"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step_number, self.core_seconds = int(state["step"]), float(state["core_seconds"])
        self.seed = int(state["seed"])


def _gradient_difference(a: Tensor, b: Tensor) -> Tensor:
    difference = a - b
    across = difference[..., 1:] - difference[..., :-1]
    down = difference[..., 1:, :] - difference[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


@torch.inference_mode()
def encode_images(codec: Codec, images: NDArray[np.uint8], batch_size: int = 128) -> Tensor:
    """Encode uint8 images (n, h, w, 3) into unscaled latents (n, c, h/8, w/8) float32."""
    codec.eval()
    parts = [
        codec.encode(to_network_input(np.array(images[start : start + batch_size]))).latent.float()
        for start in range(0, len(images), batch_size)
    ]
    return torch.cat(parts)


@torch.inference_mode()
def decode_latents(codec: Codec, latents: Tensor, batch_size: int = 64) -> NDArray[np.uint8]:
    """Decode unscaled latents into uint8 images (n, h, w, 3)."""
    codec.eval()
    return np.concatenate([to_images(codec.decode(part).sample) for part in latents.split(batch_size)])


def codec_report(codec: Codec, images: NDArray[np.uint8], embedder: Any | None = None) -> dict[str, float]:
    """Measure a codec on held-out uint8 images (n, h, w, 3).

    Returns psnr (dB, mean over images), seam_ratio (steps between pixels across the 8-pixel block borders over steps
    elsewhere, divided by the same for the true images: 1 means no seams), recogniser_cosine if an embedder is given.
    """
    images = np.asarray(images)
    restored = decode_latents(codec, encode_images(codec, images))
    error = ((restored.astype(np.float64) - images) ** 2).mean(axis=(1, 2, 3))
    report = {
        "psnr": float((10 * np.log10(255**2 / np.maximum(error, 1e-9))).mean()),
        "seam_ratio": _seam(restored) / _seam(images),
    }
    if embedder is not None:
        report["recogniser_cosine"] = float((embedder.embed(restored) * embedder.embed(images)).sum(axis=1).mean())
    return report


def _seam(images: NDArray[np.uint8], block: int = 8) -> float:
    steps = np.abs(np.diff(images.astype(np.float64), axis=2)).mean(axis=(0, 1, 3))
    steps += np.abs(np.diff(images.astype(np.float64), axis=1)).mean(axis=(0, 2, 3))
    border = np.arange(len(steps)) % block == block - 1
    return float(steps[border].mean() / max(steps[~border].mean(), 1e-9))
