"""Training of the generator: schedules, resuming, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.build.generator_codec import CodecRecipe, CodecTrainer, RecogniserFeatures, codec_report
from hyperface_lib.build.generator_denoiser import DenoiserData, DenoiserRecipe, DenoiserTrainer
from hyperface_lib.build.training_budget import CoreBudget, StepBudget, trapezoid
from hyperface_lib.embedding import create_backbone
from hyperface_lib.synthesis.diffusers_parts import CodecShape, DenoiserShape, create_codec, create_denoiser
from hyperface_lib.training.checkpoints import read_checkpoint, write_checkpoint

PEOPLE, PICTURES, DIMENSION, FACTORS = 6, 4, 8, 3
RECIPE = DenoiserRecipe(batch_size=8, warm_up_steps=2)
SHAPE = DenoiserShape(widths=(32, 32), embedding_width=32, head_width=16)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def data() -> DenoiserData:
    source = torch.Generator().manual_seed(3)
    count = PEOPLE * PICTURES
    vectors = torch.randn(PEOPLE, PICTURES, DIMENSION, generator=source)
    return DenoiserData(
        torch.randn(count, 4, 4, 4, generator=source),
        torch.randn(count, FACTORS, generator=source),
        torch.nn.functional.normalize(vectors, dim=2),
    )


def trainer(steps: int = 6) -> DenoiserTrainer:
    torch.manual_seed(0)
    denoiser = create_denoiser(DIMENSION + FACTORS + 2, latent_channels=4, latent_size=4, shape=SHAPE)
    return DenoiserTrainer(denoiser, data(), StepBudget(steps), RECIPE, seed=1, precision="float32")


def run(one: DenoiserTrainer, until: int) -> list[float]:
    losses = []
    while one.step_number < until:
        losses.append(one.step()["loss"])
    return losses


def test_an_interrupted_run_ends_the_same_to_the_bit(tmp_path: Path) -> None:
    straight = trainer()
    losses = run(straight, 6)
    first = trainer()
    before = run(first, 2)
    write_checkpoint(tmp_path / "checkpoint.pt", first.state())
    resumed = trainer()
    run(resumed, 1)  # whatever the fresh object has done before is overwritten
    resumed.restore(read_checkpoint(tmp_path / "checkpoint.pt"))
    assert before + run(resumed, 6) == losses
    for kind in ("denoiser", "average"):
        wanted = getattr(straight, kind).state_dict()
        for name, tensor in getattr(resumed, kind).state_dict().items():
            assert torch.equal(tensor, wanted[name]), name


def test_the_average_is_the_exponential_one() -> None:
    one = trainer()
    name, parameter = next((n, p) for n, p in one.denoiser.named_parameters() if p.numel() > 10)
    expected = parameter.detach().clone()
    for _ in range(4):
        one.step()
        decay = min(RECIPE.average_decay, (1 + one.step_number) / (10 + one.step_number))
        expected = decay * expected + (1 - decay) * parameter.detach()
    assert torch.allclose(one.average.state_dict()[name], expected, atol=1e-6)
    assert not torch.allclose(expected, parameter.detach(), atol=1e-6)


def test_a_batch_is_what_the_papers_say() -> None:
    one = trainer()
    noisy, times, conditions, velocity, weights = one._batch(torch.Generator().manual_seed(0))
    alphas = one._alphas[times].view(-1, 1, 1, 1)
    # x0 = sqrt(a) x_t - sqrt(1 - a) v must be a training latent (Salimans & Ho 2022)
    clean = alphas.sqrt() * noisy - (1 - alphas).sqrt() * velocity
    distances = torch.cdist(clean.flatten(1), one.data.latents.flatten(1))
    assert distances.min(dim=1).values.max() < 1e-4
    ratio = alphas / (1 - alphas)
    assert torch.allclose(weights, (5 / ratio.flatten()).clamp(max=1), rtol=1e-4)
    kept = conditions[:, -2].bool()
    lengths = conditions[:, :DIMENSION].norm(dim=1)
    assert torch.allclose(lengths, kept * DIMENSION**0.5, atol=1e-5)


def test_identity_conditions_are_means_of_pictures_of_the_person() -> None:
    one = trainer()
    people = torch.arange(PEOPLE).repeat_interleave(200)
    vectors = one._identities(people, torch.Generator().manual_seed(0))
    means = torch.nn.functional.normalize(one.data.vectors.mean(dim=1), dim=1)
    is_mean = torch.isclose((vectors * means[people]).sum(dim=1), torch.tensor(1.0), atol=1e-5)
    # half by choice, and some of the random subsets hold all four pictures
    assert 0.5 < is_mean.float().mean() < 0.75
    for vector, person in zip(vectors[::37], people[::37], strict=True):
        pictures = one.data.vectors[person]
        residual = torch.linalg.lstsq(pictures.T, vector[:, None]).solution
        assert torch.allclose(pictures.T @ residual, vector[:, None], atol=1e-4)
        assert (residual > -1e-4).all()


def test_training_learns() -> None:
    def loss() -> float:  # always of the same 128 draws: a batch alone varies by more than is learned
        batches = [one._batch(torch.Generator().manual_seed(10_000 + number)) for number in range(16)]
        with torch.no_grad():
            return float(
                np.mean(
                    [
                        (one.denoiser(noisy, times, encoder_hidden_states=None, class_labels=conditions).sample - v)
                        .square()
                        .mean()
                        for noisy, times, conditions, v, _ in batches
                    ]
                )
            )

    one = trainer(steps=240)
    before = loss()
    run(one, 240)
    assert loss() < 0.85 * before


def test_a_gradient_that_is_not_finite_stops_the_run() -> None:
    one = trainer()
    one.data.latents[:] = float("nan")
    with pytest.raises(RuntimeError, match="step 0 is not finite"):
        one.step()


@settings(max_examples=50)
@given(fraction=st.floats(0, 2), step=st.integers(0, 10**6))
def test_the_rate_rises_stays_and_falls(fraction: float, step: int) -> None:
    rate = trapezoid(fraction, step)
    assert 0 <= rate <= 1 + 1e-9
    if step >= 200:
        if fraction <= 0.6:
            assert rate == pytest.approx(1)
        else:
            assert rate == pytest.approx(max(0.01, 0.01 + 0.99 * (1 - fraction) / 0.4))


def test_budgets_can_be_extended() -> None:
    assert StepBudget(10).fraction(5, 1e9) == 0.5
    assert CoreBudget(3600).fraction(10**9, 900) == 0.25
    assert CoreBudget(7200).fraction(0, 3600) == 0.5


TINY = CodecShape(widths=(16, 16, 16, 16), encoder_layers=(0, 1, 1, 1), decoder_layers=(0, 1, 1, 1))


def pictures(count: int = 12) -> np.ndarray:
    """Smooth random colour fields."""
    small = np.random.default_rng(0).random((count, 4, 4, 3))
    smooth = torch.nn.functional.interpolate(torch.from_numpy(small).permute(0, 3, 1, 2), size=64, mode="bicubic")
    return (smooth.clamp(0, 1) * 255).permute(0, 2, 3, 1).numpy().astype(np.uint8)


def codec_trainer(features: RecogniserFeatures | None = None, steps: int = 4) -> CodecTrainer:
    torch.manual_seed(0)
    recipe = CodecRecipe(batch_size=2, warm_up_steps=2)
    codec = create_codec(TINY)
    return CodecTrainer(pictures(), features, StepBudget(steps), recipe, codec, seed=2, precision="float32")


def test_codec_training_resumes_to_the_bit(tmp_path: Path) -> None:
    features = RecogniserFeatures(create_backbone("small", dimension=16))
    straight = codec_trainer(features)
    wanted = [straight.step() for _ in range(4)]
    assert set(wanted[0]) == {"pixel", "gradient", "latent", "feature", "cosine"}
    first = codec_trainer(features)
    parts = [first.step() for _ in range(2)]
    write_checkpoint(tmp_path / "codec.pt", first.state())
    resumed = codec_trainer(features)
    resumed.restore(read_checkpoint(tmp_path / "codec.pt"))
    assert parts + [resumed.step() for _ in range(2)] == wanted


def test_the_codec_report_sees_seams() -> None:
    images = pictures()
    one = codec_trainer(steps=20)
    before = codec_report(one.codec, images)
    while one.fraction < 1:
        one.step()
    after = codec_report(one.codec, images)
    assert after["psnr"] > before["psnr"] + 1

    class Blocky(torch.nn.Module):
        """Encodes to block means and repeats them: a codec with nothing but seams."""

        def encode(self, x: torch.Tensor) -> object:
            return type("Encoded", (), {"latent": torch.nn.functional.avg_pool2d(x, 8)})

        def decode(self, x: torch.Tensor) -> object:
            return type("Decoded", (), {"sample": torch.nn.functional.interpolate(x, scale_factor=8)})

    assert codec_report(Blocky(), images)["seam_ratio"] > 20
