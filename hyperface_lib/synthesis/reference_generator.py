"""The kit's own generator: a small latent diffusion model conditioned on identity and nuisance."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from hyperface_lib.atomic import write_json
from hyperface_lib.embedding.devices import autocast, resolve_device, training_dtype
from hyperface_lib.embedding.images import to_images
from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis.batches import side_by_side
from hyperface_lib.synthesis.conditioning import Conditioning, condition, read_json
from hyperface_lib.synthesis.diffusers_parts import (
    AutoencoderDC,
    Codec,
    Denoiser,
    DPMSolverMultistepScheduler,
    Schedule,
    UNet2DConditionModel,
    sampling_schedule,
)
from hyperface_lib.synthesis.protocol import checked_vectors
from hyperface_lib.synthesis.sampler import denoise
from hyperface_lib.synthesis.seeds import draw_latents, expand_seeds, personal_latents

if TYPE_CHECKING:
    from hyperface_lib.faces.nuisance import Nuisance

FORMAT = "hyperface generator 1"
_INDEX = "model_index.json"
_DESCRIPTION = "hyperface.json"


class ReferenceGenerator:
    """Draw faces of identity vectors of one embedder: latent diffusion with classifier-free guidance.

    `metadata` needs "embedder_name", "embedder_fingerprint" and "image_size"; "guided_share" (default 1) says for which
    first part of the steps guidance is used, "personal_share" (default 0) which share of the variance of the noise a
    person's pictures have in common. Batches are padded to `batch_size`: an image then has the same bits
    whatever it is drawn with, and stays within 2 grey levels when `batch_size` is another. `precision` is "auto"
    (bfloat16 where the processor has it), "float32" or "bfloat16".
    """

    def __init__(
        self,
        denoiser: Denoiser,
        codec: Codec,
        conditioning: Conditioning,
        metadata: Mapping[str, Any],
        schedule: Schedule | None = None,
        name: str = "generator",
        device: str | torch.device = "auto",
        batch_size: int = 16,
        precision: str = "auto",
    ) -> None:
        missing = [key for key in ("embedder_name", "embedder_fingerprint", "image_size") if key not in metadata]
        if missing:
            raise ValueError(f"generator {name!r}: its description lacks {', '.join(missing)}")
        expected = denoiser.config.projection_class_embeddings_input_dim
        if expected != conditioning.length:
            raise ValueError(
                f"generator {name!r}: its denoiser takes conditions of length {expected}, "
                f"its conditioning makes {conditioning.length}"
            )
        self.name = name
        self.metadata = dict(metadata)
        self.embedder_name = str(metadata["embedder_name"])
        self.embedder_fingerprint = str(metadata["embedder_fingerprint"])
        self.image_size = int(metadata["image_size"])
        self.dimension = conditioning.dimension
        self.guided_share = float(metadata.get("guided_share", 1.0))
        self.personal_share = float(metadata.get("personal_share", 0.0))
        if not 0 <= self.personal_share <= 1:
            raise ValueError(f"generator {name!r}: personal_share must lie in [0, 1], found {self.personal_share}")
        self.conditioning = conditioning
        self.batch_size = batch_size
        self.device = resolve_device(device)
        self.dtype = training_dtype(self.device, precision)
        self.schedule = schedule or sampling_schedule()
        self.denoiser = denoiser.to(self.device).eval().requires_grad_(False)
        self.codec = codec.to(self.device, memory_format=torch.channels_last).eval().requires_grad_(False)
        settings = {"guided_share": self.guided_share, "personal_share": self.personal_share}
        self.fingerprint = weights_fingerprint(self.denoiser, self.codec.decoder, **settings)

    def sample(
        self,
        vectors: ArrayLike | IdentityVectors,
        seeds: int | Sequence[int],
        nuisance: Nuisance | Sequence[Nuisance] | NDArray[np.floating] | None = None,
        steps: int = 10,
        guidance: float = 1.5,
        progress: bool = False,
    ) -> NDArray[np.uint8]:
        """Draw images (n, size, size, 3) uint8 RGB, one of each unit vector (n, d).

        seeds: one an image, or a first number to count from. nuisance: one `Nuisance` for all, one an image, their
        vectors (n, k), or None to draw each from the bank by its seed. Raises ValueError in one sentence for vectors of
        another embedder, wrong shapes, NaN.
        """
        rows = checked_vectors(vectors, self)
        if steps < 1:
            raise ValueError(f"steps: expected at least 1, found {steps}")
        if not np.isfinite(guidance) or guidance < 0:
            raise ValueError(f"guidance: expected a number from 0 (1 is none), found {guidance}")
        chosen = expand_seeds(seeds, len(rows))
        scores = self.conditioning.standardise(self.nuisance_vectors(nuisance, chosen))
        images = np.empty((len(rows), self.image_size, self.image_size, 3), np.uint8)

        def draw(start: int) -> int:
            part = slice(start, start + self.batch_size)
            images[part] = self._one_batch(rows[part], chosen[part], scores[part], steps, guidance)
            return len(images[part])

        with tqdm(total=len(rows), disable=not progress, desc="drawing faces", unit="image") as bar:
            for count in side_by_side(draw, range(0, len(rows), self.batch_size), self.device):
                bar.update(count)
        return images

    def nuisance_vectors(
        self, nuisance: Nuisance | Sequence[Nuisance] | NDArray[np.floating] | None, seeds: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return a nuisance vector (n, k) for each image: drawn by seed where `nuisance` is None."""
        if nuisance is None:
            return self.conditioning.draw(seeds)
        if hasattr(nuisance, "to_vector"):
            return np.tile(np.asarray(nuisance.to_vector(), np.float32), (len(seeds), 1))
        if isinstance(nuisance, np.ndarray):
            vectors = np.atleast_2d(nuisance)
        else:
            vectors = np.stack([np.asarray(one.to_vector(), np.float32) for one in nuisance])
        if len(vectors) != len(seeds):
            raise ValueError(f"nuisance: expected one for each of {len(seeds)} vectors, found {len(vectors)}")
        return vectors.astype(np.float32)

    def draw_nuisance(self, seeds: Sequence[int]) -> list[Nuisance]:
        """Return the nuisance that `sample` draws for these seeds where it is given none."""
        from hyperface_lib.faces.nuisance import Nuisance

        return [Nuisance.from_vector(vector) for vector in self.conditioning.draw(seeds)]

    @torch.inference_mode()
    def _one_batch(
        self, rows: NDArray[np.float32], seeds: Sequence[int], scores: NDArray[np.float32], steps: int, guidance: float
    ) -> NDArray[np.uint8]:
        count = len(rows)
        padding = self.batch_size - count
        size = self.denoiser.config.sample_size
        shape = (self.denoiser.config.in_channels, size, size)
        latents = draw_latents([*seeds, *([0] * padding)], shape)
        identities = torch.from_numpy(np.concatenate([rows, np.repeat(rows[-1:], padding, 0)]))
        if self.personal_share:
            personal = personal_latents(identities, shape)
            latents = self.personal_share**0.5 * personal + (1 - self.personal_share) ** 0.5 * latents
        nuisance = torch.from_numpy(np.concatenate([scores, np.repeat(scores[-1:], padding, 0)]))
        nobody = torch.zeros(self.batch_size, dtype=torch.bool)
        conditional = condition(identities, nuisance).to(self.device)
        unconditional = condition(identities, nuisance, keep_identity=nobody).to(self.device)
        final = denoise(
            self._predict,
            self.schedule.config,
            latents.to(self.device),
            conditional,
            unconditional,
            steps,
            guidance,
            self.guided_share,
        )
        return to_images(self.decode(final)[:count])

    def _predict(self, latents: Tensor, time: Tensor, conditions: Tensor) -> Tensor:
        with autocast(self.device, self.dtype):
            velocity = self.denoiser(latents, time, encoder_hidden_states=None, class_labels=conditions).sample
        return velocity.float()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn scaled latents (n, c, h, w) into images (n, 3, size, size) in about [-1, 1], float32."""
        scaled = (latents / self.codec.config.scaling_factor).contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.dtype):
            return self.codec.decode(scaled).sample.float()

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """Turn images (n, 3, size, size) in [-1, 1] into scaled latents (n, c, h, w), float32."""
        shaped = images.to(self.device).contiguous(memory_format=torch.channels_last)
        return self.codec.encode(shaped).latent.float() * self.codec.config.scaling_factor

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the folder in diffusers' layout, weights in fp16, whole or not at all; an older one is replaced."""
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.partial-{uuid.uuid4().hex[:8]}")
        try:
            _half(self.denoiser).save_pretrained(temporary / "unet")
            _half(self.codec).save_pretrained(temporary / "vae")
            self.schedule.save_pretrained(temporary / "scheduler")
            self.conditioning.save(temporary / "conditioning")
            write_json(temporary / _DESCRIPTION, {"format": FORMAT, **self.metadata})
            write_json(temporary / _INDEX, _index())
            if target.exists():
                shutil.rmtree(target)
            os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        name: str | None = None,
        device: str | torch.device = "auto",
        batch_size: int = 16,
        precision: str = "auto",
    ) -> Self:
        """Read a folder that `save` wrote. Raises FileNotFoundError or ValueError naming folder or file."""
        source = Path(folder)
        if not source.is_dir():
            raise FileNotFoundError(f"{source}: expected the folder of a generator, found none")
        description = read_json(source / _DESCRIPTION)
        if description.pop("format", None) != FORMAT:
            raise ValueError(f"{source / _DESCRIPTION}: expected a description of format {FORMAT!r}, found another")
        return cls(
            _pretrained(UNet2DConditionModel, source / "unet"),
            _pretrained(AutoencoderDC, source / "vae"),
            Conditioning.load(source / "conditioning"),
            description,
            DPMSolverMultistepScheduler.from_config(read_json(source / "scheduler" / "scheduler_config.json")),
            name or source.name,
            device,
            batch_size,
            precision,
        )


def weights_fingerprint(*networks: nn.Module, **settings: float) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over the networks' names, shapes and fp16 values, and settings."""
    digest = hashlib.sha256()
    for network in networks:
        for name, tensor in sorted(network.state_dict().items()):
            values = tensor.detach().cpu().half().contiguous().numpy()
            digest.update(f"{name}{values.shape}".encode())
            digest.update(values.tobytes())
    for name, value in sorted(settings.items()):
        digest.update(f"{name}{value!r}".encode())
    return digest.hexdigest()[:16]


def _half(network: Any) -> Any:
    """Return a copy of a network in fp16 on the CPU; the one in use keeps its precision."""
    copy = type(network).from_config(network.config)
    copy.load_state_dict({name: tensor.detach().cpu() for name, tensor in network.state_dict().items()})
    return copy.half()


def _pretrained(kind: Any, folder: Path) -> Any:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder}: expected a {kind.__name__} in diffusers' format, found no config.json")
    try:
        return kind.from_pretrained(
            folder, torch_dtype=torch.float32, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as problem:
        first = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise ValueError(f"{folder}: expected a {kind.__name__} in diffusers' format, found: {first}") from problem


def _index() -> dict[str, Any]:
    import diffusers

    return {
        "_class_name": "DiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderDC"],
    }
