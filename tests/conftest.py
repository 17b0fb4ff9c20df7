"""Shared by all tests: no test reads or writes the person's own runs, and results do not depend on thread counts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

# Before torch and numba are imported: two workers with one thread each beat two with two.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from pathlib import Path

import pytest
from hypothesis import settings

# Deadlines measure the machine, not the code.
settings.register_profile("kit", deadline=None, derandomize=True)
settings.load_profile("kit")


@pytest.fixture(autouse=True)
def _own_runs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_RUNS", str(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def checkout() -> Path:
    """Return the root of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def write_arc2face() -> Callable[[Path, int], None]:
    """Return a function (folder, width) that writes Arc2Face's five parts, with few and random weights."""
    return _write_arc2face


def _write_arc2face(root: Path, width: int) -> None:
    import torch
    import transformers

    from hyperface_lib.synthesis.diffusers_parts import (
        AutoencoderKL,
        DPMSolverMultistepScheduler,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    (root / "tokenizer").mkdir(parents=True)
    table = _write_tokenizer(root / "tokenizer")
    config = transformers.CLIPTextConfig(
        vocab_size=len(table),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=table["<|startoftext|>"],
        eos_token_id=table["<|endoftext|>"],
        pad_token_id=table["<|endoftext|>"],
    )
    transformers.CLIPTextModel(config).save_pretrained(root / "encoder")
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=2,
        norm_num_groups=8,
    ).save_pretrained(root / "arc2face")
    AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    ).save_pretrained(root / "vae")
    schedule = DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    schedule.save_pretrained(root / "scheduler")


def _write_tokenizer(folder: Path) -> dict[str, int]:
    """Write a tokenizer that knows the words of Arc2Face's prompt; return its table."""
    import transformers

    words = ["photo</w>", "of</w>", "a</w>", "id</w>", "person</w>"]
    letters = sorted(set("photofaidperson"))
    merges: list[str] = []
    for word in words:
        pieces = [*word[: -len("</w>") - 1], word[-len("</w>") - 1 :]]
        while len(pieces) > 1:
            merge = f"{pieces[0]} {pieces[1]}"
            merges += [merge] if merge not in merges else []
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    vocabulary = [*letters, *(letter + "</w>" for letter in letters), *(merge.replace(" ", "") for merge in merges)]
    vocabulary = list(dict.fromkeys([*vocabulary, *words, "<|startoftext|>", "<|endoftext|>"]))
    table = {token: number for number, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(table))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    files = [str(folder / name) for name in ("vocab.json", "merges.txt")]
    transformers.CLIPTokenizer(*files, model_max_length=16).save_pretrained(folder)
    return table
