"""Arc2Face (Papantoniou et al. 2024): photographs from ArcFace vectors, with weights that are the user's to bring.

Stable Diffusion 1.5 whose text encoder reads "photo of a id person" with the identity vector, padded with zeros, in
place of the word "id".
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its customary name
from tqdm.auto import tqdm

from hyperface_lib.embedding.devices import resolve_device
from hyperface_lib.embedding.images import to_images
from hyperface_lib.embedding.onnx_embedder import file_fingerprint
from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis.conditioning import read_json
from hyperface_lib.synthesis.diffusers_parts import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from hyperface_lib.synthesis.protocol import checked_vectors
from hyperface_lib.synthesis.reference_generator import weights_fingerprint
from hyperface_lib.synthesis.seeds import draw_latents, expand_seeds

if TYPE_CHECKING:
    from hyperface_lib.faces.nuisance import Nuisance

PROMPT = "photo of a id person"
PLACEHOLDER = "id"
EMBEDDER_NAME = "arcface"
_EMBEDDER_NOTE = "embedder.json"
_EMBEDDER_FILE = "arcface.onnx"
_STEPS = 25
_GUIDANCE = 3.0


class Arc2FaceGenerator:
    """Draw photographs of ArcFace vectors (n, 512) with the parts of Arc2Face.

    The published weights are conditioned on one embedder, the `arcface.onnx` that comes with them, and do not say so.
    Where that file lies in the folder, references must come from it; a file `embedder.json` with `embedder_name` and
    `embedder_fingerprint` names another. Without both the generator warns and trusts the caller.
    """

    def __init__(
        self,
        denoiser: Any,
        codec: Any,
        text_encoder: nn.Module,
        tokenizer: Any,
        schedule: Any,
        metadata: Mapping[str, Any] | None = None,
        name: str = "arc2face",
        device: str | torch.device = "auto",
        batch_size: int = 4,
        image_size: int | None = None,
    ) -> None:
        metadata = dict(metadata or {})
        self.name = name
        self.device = resolve_device(device)
        # fp16 on accelerators, as published; the CPU computes in fp32.
        self.dtype = torch.float32 if self.device.type == "cpu" else torch.float16
        self.denoiser: Any = self._placed(denoiser)
        self.codec: Any = self._placed(codec)
        self.text_encoder: Any = self._placed(text_encoder)
        self.tokenizer = tokenizer
        self.schedule = schedule
        self.batch_size = batch_size
        self.dimension = int(metadata.get("dimension", 512))
        self.embedder_name = str(metadata.get("embedder_name", EMBEDDER_NAME))
        self.embedder_fingerprint = str(metadata.get("embedder_fingerprint", "unknown"))
        self._factor = 2 ** (len(codec.config.block_out_channels) - 1)
        self.full_size = int(denoiser.config.sample_size) * self._factor
        self.image_size = image_size or self.full_size
        self.fingerprint = weights_fingerprint(self.denoiser, self.text_encoder)

    def _placed(self, part: nn.Module) -> nn.Module:
        return part.to(self.device, self.dtype).eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto", **options: Any) -> Self:
        """Open a folder with arc2face/ (UNet), encoder/ (text encoder), vae/, tokenizer/ and scheduler/.

        The first two are Arc2Face's, the others Stable Diffusion 1.5's. Nothing is downloaded. Raises
        FileNotFoundError naming the part that is missing, ImportError where transformers is not installed.
        """
        try:
            from transformers import CLIPTextModel, CLIPTokenizer
        except ImportError as problem:
            raise ImportError("Arc2Face needs the package transformers: pip install transformers") from problem
        root = Path(folder)
        for part in ("arc2face", "encoder", "vae", "tokenizer", "scheduler"):
            if not (root / part).is_dir():
                raise FileNotFoundError(
                    f"{root / part}: expected a part of Arc2Face (arc2face and encoder are in its own repository; vae, "
                    "tokenizer and scheduler in stable-diffusion-v1-5), found none"
                )
        metadata = _about_embedder(root)
        if "embedder_fingerprint" not in metadata:
            warnings.warn(
                f"{root} holds no {_EMBEDDER_FILE}: the vectors must come from that file of Arc2Face's own repository, "
                "and nothing here can check that they do",
                stacklevel=2,
            )
        with _quiet_loading():
            return cls(
                UNet2DConditionModel.from_pretrained(root / "arc2face", local_files_only=True),
                AutoencoderKL.from_pretrained(root / "vae", local_files_only=True),
                CLIPTextModel.from_pretrained(root / "encoder", local_files_only=True, weights_only=True),
                CLIPTokenizer.from_pretrained(root / "tokenizer", local_files_only=True),
                DPMSolverMultistepScheduler.from_pretrained(root / "scheduler", local_files_only=True),
                metadata,
                f"arc2face:{root}",
                device,
                **options,
            )

    def sample(
        self,
        vectors: ArrayLike | IdentityVectors,
        seeds: int | Sequence[int],
        nuisance: Nuisance | Sequence[Nuisance] | NDArray[np.floating] | None = None,
        steps: int = _STEPS,
        guidance: float = _GUIDANCE,
        progress: bool = False,
    ) -> NDArray[np.uint8]:
        """Draw photographs (n, image_size, image_size, 3) uint8 RGB, one of each unit vector (n, 512).

        Raises ValueError if a nuisance is given: these weights know none.
        """
        if nuisance is not None:
            raise ValueError("nuisance: expected None, since Arc2Face's weights take identity vectors alone")
        if isinstance(vectors, IdentityVectors) and self.embedder_fingerprint == "unknown":
            vectors = vectors.vectors
        rows = checked_vectors(vectors, self)
        chosen = expand_seeds(seeds, len(rows))
        images = np.empty((len(rows), self.image_size, self.image_size, 3), np.uint8)
        starts = range(0, len(rows), self.batch_size)
        for start in tqdm(starts, disable=not progress, desc="drawing photographs"):
            part = slice(start, start + self.batch_size)
            images[part] = self._one_batch(rows[part], chosen[part], steps, guidance)
        return images

    @torch.inference_mode()
    def _one_batch(
        self, rows: NDArray[np.float32], seeds: Sequence[int], steps: int, guidance: float
    ) -> NDArray[np.uint8]:
        identities = torch.from_numpy(rows).to(self.device)
        prompts = identity_prompts(self.tokenizer, self.text_encoder, identities)
        if guidance != 1:
            prompts = torch.cat([self._empty_prompt().expand(len(rows), -1, -1), prompts])
        solver = DPMSolverMultistepScheduler.from_config(self.schedule.config)
        solver.set_timesteps(steps)
        size = self.denoiser.config.sample_size
        latents = draw_latents(seeds, (self.denoiser.config.in_channels, size, size)).to(self.device, self.dtype)
        latents = latents * solver.init_noise_sigma
        for time in solver.timesteps:
            copies = torch.cat([latents, latents]) if guidance != 1 else latents
            predicted = self.denoiser(
                solver.scale_model_input(copies, time), time, encoder_hidden_states=prompts
            ).sample
            if guidance != 1:
                without, with_identity = predicted.chunk(2)
                predicted = without + guidance * (with_identity - without)
            latents = solver.step(predicted, time, latents).prev_sample
        drawn = to_images(self.codec.decode(latents / self.codec.config.scaling_factor).sample)
        return drawn if self.image_size == self.full_size else _resized(drawn, self.image_size)

    def _empty_prompt(self) -> Tensor:
        """Return the unconditional branch: the fine-tuned encoder's reading of the empty prompt (1, 77, width)."""
        return self.text_encoder(_tokens(self.tokenizer, "").to(self.device))[0]


def identity_prompts(tokenizer: Any, text_encoder: Any, identities: Tensor) -> Tensor:
    """Return prompt embeddings (n, tokens, width) of unit identity vectors (n, d), d at most the width.

    The embedding of the token "id" is replaced by the vector, padded with zeros; positions are added and the encoder
    run as usual. A hook on the embedding table does it, which works in every version of transformers. Raises
    ValueError unless the tokenizer makes exactly one token of "id".
    """
    tokens = _tokens(tokenizer, PROMPT)
    placeholder = tokenizer.encode(PLACEHOLDER, add_special_tokens=False)
    where = tokens == placeholder[0]
    if len(placeholder) != 1 or int(where.sum()) != 1:
        raise ValueError(f"tokenizer: expected one token {PLACEHOLDER!r} in {PROMPT!r}, found {int(where.sum())}")
    width = text_encoder.config.hidden_size
    if identities.shape[1] > width:
        raise ValueError(f"identity vectors: expected at most {width} components, found {identities.shape[1]}")
    padded = F.pad(identities, (0, width - identities.shape[1]))
    everywhere = where.to(identities.device).expand(len(identities), -1)

    def put_identity(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        replaced = output.clone()
        replaced[everywhere] = padded.to(output.dtype)
        return replaced

    hook = text_encoder.get_input_embeddings().register_forward_hook(put_identity)
    try:
        return text_encoder(tokens.to(identities.device).expand(len(identities), -1))[0]
    finally:
        hook.remove()


def _about_embedder(root: Path) -> dict[str, Any]:
    """Say which embedder the weights are conditioned on: by a note in the folder, else by the file that lies there."""
    note, file = root / _EMBEDDER_NOTE, root / _EMBEDDER_FILE
    if note.is_file():
        return dict(read_json(note))
    if not file.is_file():
        return {}
    return {"embedder_name": f"onnx:{file}", "embedder_fingerprint": file_fingerprint(file)}


def _tokens(tokenizer: Any, prompt: str) -> Tensor:
    encoded = tokenizer(
        prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    return encoded.input_ids


def _resized(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.LANCZOS)) for one in images])


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """Silence the progress bars of loading weights, which would end up in notebooks."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
