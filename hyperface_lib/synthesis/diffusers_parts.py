"""The two networks and the noise schedule, built from diffusers' own parts so that diffusers can open the files."""

from __future__ import annotations

import importlib
import math
import sys
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn


def _hide_broken_torchvision() -> None:
    """Let diffusers be imported where torchvision was built for another torch.

    diffusers imports transformers where it finds it, and transformers imports torchvision where it finds it. Nothing
    here needs either, but a torchvision that does not fit its torch raises on import and would take diffusers with it.
    """
    if "torchvision" in sys.modules or "diffusers" in sys.modules:
        return
    try:
        importlib.import_module("torchvision")
    except ImportError:
        return
    except (RuntimeError, OSError, AttributeError):
        sys.modules["torchvision"] = None  # type: ignore[assignment]


_hide_broken_torchvision()

import diffusers  # noqa: E402

AutoencoderDC: Any = diffusers.AutoencoderDC
AutoencoderKL: Any = diffusers.AutoencoderKL
DDPMScheduler: Any = diffusers.DDPMScheduler
DPMSolverMultistepScheduler: Any = diffusers.DPMSolverMultistepScheduler
UNet2DConditionModel: Any = diffusers.UNet2DConditionModel

# diffusers' classes carry no types of their own; these names say which of them is meant.
Codec: TypeAlias = Any
Denoiser: TypeAlias = Any
Schedule: TypeAlias = Any

TRAIN_TIMESTEPS = 1000


@dataclass(frozen=True)
class CodecShape:
    """Sizes of the codec: widths per level from full resolution down, residual blocks per level, latent channels.

    Four levels halve the side three times: 64 pixels become 8 x 8 latents. No blocks at full resolution: they would
    take most of the time.
    """

    widths: tuple[int, ...] = (64, 64, 64, 128)
    encoder_layers: tuple[int, ...] = (0, 1, 2, 2)
    decoder_layers: tuple[int, ...] = (0, 2, 2, 3)
    latent_channels: int = 8

    @property
    def reduction(self) -> int:
        """Pixels per latent, a side."""
        return int(2 ** (len(self.widths) - 1))


@dataclass(frozen=True)
class DenoiserShape:
    """Sizes of the denoiser: widths per level, self-attention per level, width of the embedding of time and condition.

    Attention at the finest level costs a quarter of the training time; four by four positions see the whole face.
    """

    widths: tuple[int, ...] = (128, 192)
    attention: tuple[bool, ...] = (False, True)
    layers: int = 1
    embedding_width: int = 448
    head_width: int = 32
    norm_groups: int = 16


def create_codec(shape: CodecShape | None = None) -> Codec:
    """Build an untrained autoencoder: images (n, 3, h, w) in [-1, 1] to latents (n, channels, h/8, w/8) and back."""
    shape = shape or CodecShape()
    levels = len(shape.widths)
    return AutoencoderDC(
        latent_channels=shape.latent_channels,
        encoder_block_out_channels=shape.widths,
        decoder_block_out_channels=shape.widths,
        encoder_layers_per_block=shape.encoder_layers,
        decoder_layers_per_block=shape.decoder_layers,
        encoder_qkv_multiscales=((),) * levels,
        decoder_qkv_multiscales=((),) * levels,
        decoder_act_fns="silu",
    )


def create_denoiser(
    condition_length: int, latent_channels: int = 8, latent_size: int = 8, shape: DenoiserShape | None = None
) -> Denoiser:
    """Build an untrained UNet that predicts v from noisy latents, time and a condition vector (n, condition_length).

    The condition enters by the class embedding, added to the time embedding, which scales and shifts every block:
    twice as quick to train as cross-attention to tokens, and as faithful.
    """
    shape = shape or DenoiserShape()
    if not len(shape.widths) == len(shape.attention):
        raise ValueError(f"denoiser: expected one attention flag for each of {len(shape.widths)} widths")
    down = tuple("AttnDownBlock2D" if attends else "DownBlock2D" for attends in shape.attention)
    up = tuple("AttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(shape.attention))
    return UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=latent_channels,
        out_channels=latent_channels,
        layers_per_block=shape.layers,
        block_out_channels=shape.widths,
        down_block_types=down,
        up_block_types=up,
        mid_block_type="UNetMidBlock2D",
        class_embed_type="projection",
        projection_class_embeddings_input_dim=condition_length,
        time_embedding_dim=shape.embedding_width,
        resnet_time_scale_shift="scale_shift",
        # For blocks of self-attention diffusers reads this as the width of a head, not the number of heads.
        attention_head_dim=shape.head_width,
        norm_num_groups=math.gcd(shape.norm_groups, *shape.widths),
    )


def training_schedule() -> Schedule:
    """Return the noise schedule of training: cosine, 1,000 steps, v-prediction (Nichol & Dhariwal 2021; Salimans & Ho
    2022)."""
    return DDPMScheduler(TRAIN_TIMESTEPS, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")


def sampling_schedule() -> Schedule:
    """Return the solver of sampling: DPM-Solver++ of second order on the same noise schedule (Lu et al. 2022)."""
    return DPMSolverMultistepScheduler(
        TRAIN_TIMESTEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        final_sigmas_type="zero",
    )


def parameter_count(module: nn.Module) -> int:
    """Count the parameters of a network."""
    return sum(parameter.numel() for parameter in module.parameters())
