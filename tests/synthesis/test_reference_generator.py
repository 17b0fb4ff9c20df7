"""The generator: what an image depends on, and what it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hyperface_lib.synthesis import Generator, ReferenceGenerator, load_generator
from hyperface_lib.synthesis.conditioning import condition
from hyperface_lib.synthesis.sampler import denoise
from hyperface_lib.synthesis.seeds import draw_latents, personal_latents

from .conftest import DESCRIPTION, DIMENSION, toy_nuisance, unit_rows

STEPS = 3


def grey_levels(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())


def test_images_have_the_promised_form(generator: ReferenceGenerator) -> None:
    assert isinstance(generator, Generator)
    images = generator.sample(unit_rows(5), seeds=0, steps=STEPS)
    assert images.shape == (5, 64, 64, 3)
    assert images.dtype == np.uint8
    assert images.std() > 1


def test_no_vectors_no_images(generator: ReferenceGenerator) -> None:
    assert generator.sample(np.empty((0, DIMENSION), np.float32), seeds=0).shape == (0, 64, 64, 3)


def test_an_image_depends_on_seed_identity_and_nuisance(generator: ReferenceGenerator) -> None:
    one, other = unit_rows(2)[:, None]
    how = toy_nuisance(2)
    image = generator.sample(one, [7], how[:1], steps=STEPS)
    assert np.array_equal(image, generator.sample(one, [7], how[:1], steps=STEPS))
    for changed in (
        generator.sample(one, [8], how[:1], steps=STEPS),
        generator.sample(other, [7], how[:1], steps=STEPS),
        generator.sample(one, [7], how[1:], steps=STEPS),
    ):
        assert not np.array_equal(image, changed)


def test_personal_noise_is_standard_normal_and_the_same_for_all_pictures_of_a_person() -> None:
    people = torch.from_numpy(unit_rows(400))
    noise = personal_latents(people, (8, 8, 8))
    assert noise.shape == (400, 8, 8, 8)
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.var()) - 1) < 0.05
    torch.testing.assert_close(personal_latents(people[3:4], (8, 8, 8))[0], noise[3])
    flat = torch.nn.functional.normalize(noise.flatten(1), dim=1)
    wanted = people @ people.T  # a random projection keeps angles: neighbours share their noise, strangers do not
    assert float((flat @ flat.T - wanted).abs().mean()) < 0.1


def test_the_personal_share_decides_how_much_the_pictures_of_a_person_have_in_common(make_generator) -> None:
    vectors, how = np.repeat(unit_rows(1), 2, axis=0), toy_nuisance(1)[[0, 0]]
    apart = []
    for share in (0.0, 0.6, 1.0):
        first, second = make_generator(personal_share=share).sample(vectors, [1, 2], how, steps=STEPS).astype(int)
        apart.append(float(np.abs(first - second).mean()))
    assert apart[0] > apart[1] > apart[2] == 0
    with pytest.raises(ValueError, match=r"personal_share must lie in \[0, 1\], found 1.5"):
        make_generator(personal_share=1.5)


def test_an_image_has_the_same_bits_in_any_company(generator: ReferenceGenerator) -> None:
    vectors, seeds = unit_rows(7), [3, 1, 4, 15, 9, 2, 6]
    together = generator.sample(vectors, seeds, steps=STEPS)
    for number in (0, 5, 6):
        alone = generator.sample(vectors[number], [seeds[number]], steps=STEPS)
        assert np.array_equal(together[number], alone[0])
    backwards = generator.sample(vectors[::-1], seeds[::-1], steps=STEPS)
    assert np.array_equal(together, backwards[::-1])


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_another_batch_size_changes_two_grey_levels_at_most(make_generator, generator, batch_size: int) -> None:
    vectors = unit_rows(6)
    usual = generator.sample(vectors, seeds=0, steps=STEPS)
    assert grey_levels(usual, make_generator(batch_size).sample(vectors, seeds=0, steps=STEPS)) <= 2


def test_guidance_one_is_the_conditional_model(generator: ReferenceGenerator) -> None:
    vectors, seeds = unit_rows(4), [0, 1, 2, 3]
    how = toy_nuisance(4)
    scores = torch.from_numpy(generator.conditioning.standardise(how))
    conditions = condition(torch.from_numpy(vectors), scores)
    never = torch.full_like(conditions, float("nan"))
    with torch.inference_mode():
        latents = denoise(
            generator._predict, generator.schedule.config, draw_latents(seeds, (8, 8, 8)), conditions, never, STEPS, 1.0
        )
    pixels = ((generator.decode(latents) + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert grey_levels(pixels, generator.sample(vectors, seeds, how, steps=STEPS, guidance=1.0)) == 0


def test_guidance_is_linear_in_the_two_branches(generator: ReferenceGenerator) -> None:
    # A model whose v is its condition alone: the guided v is then known in closed form, and the sampler linear in it.
    latents = draw_latents([0, 1], (2, 4, 4))
    with_identity, without = torch.tensor([[0.3], [0.1]]), torch.tensor([[-0.2], [0.4]])

    def predict(x: torch.Tensor, time: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return conditions[:, :, None, None].expand_as(x)

    config = generator.schedule.config
    guided = denoise(predict, config, latents, with_identity, without, 5, 2.5)
    known = without + 2.5 * (with_identity - without)
    assert torch.allclose(guided, denoise(predict, config, latents, known, without, 5, 1.0), atol=1e-6)
    unguided = denoise(predict, config, latents, with_identity, without, 5, 2.5, guided_share=0.0)
    assert torch.allclose(unguided, denoise(predict, config, latents, with_identity, without, 5, 1.0), atol=1e-6)


def test_the_sampler_inverts_a_perfect_prediction(generator: ReferenceGenerator) -> None:
    # If v always points to one clean picture, the solver has to arrive there.
    target = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(5))
    alphas = generator.schedule.alphas_cumprod

    def predict(x: torch.Tensor, time: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        signal, spread = alphas[time].sqrt(), (1 - alphas[time]).sqrt()
        noise = (x - signal * target) / spread
        return signal * noise - spread * target

    nothing = torch.zeros(1, 1)
    found = denoise(predict, generator.schedule.config, draw_latents([0], (2, 4, 4)), nothing, nothing, 10, 1.0)
    assert torch.allclose(found, target, atol=1e-4)


def test_the_nuisance_drawn_for_a_seed_is_the_one_used(generator: ReferenceGenerator) -> None:
    vectors, seeds = unit_rows(3), [11, 5, 8]
    drawn = generator.nuisance_vectors(None, seeds)
    assert np.array_equal(
        generator.sample(vectors, seeds, steps=STEPS), generator.sample(vectors, seeds, drawn, steps=STEPS)
    )
    assert len(np.unique(generator.nuisance_vectors(None, range(200)), axis=0)) > 30


def test_saved_and_loaded_it_draws_the_same(generator: ReferenceGenerator, tmp_path: Path) -> None:
    folder = generator.save(tmp_path / "toy")
    again = load_generator(f"folder:{folder}", device="cpu", batch_size=4)
    assert again.fingerprint == generator.fingerprint
    assert again.embedder_fingerprint == DESCRIPTION["embedder_fingerprint"]
    vectors = unit_rows(4)
    # Weights are stored in fp16.
    first, second = generator.sample(vectors, 0, steps=STEPS), again.sample(vectors, 0, steps=STEPS)
    assert np.abs(first.astype(int) - second).mean() < 1.0
    # A second round trip changes nothing more.
    third = ReferenceGenerator.load(again.save(tmp_path / "toy"), batch_size=4, device="cpu")
    assert np.array_equal(second, third.sample(vectors, 0, steps=STEPS))
    assert not list(tmp_path.glob(".*"))


def test_the_folder_is_what_diffusers_opens(generator: ReferenceGenerator, tmp_path: Path) -> None:
    import diffusers

    folder = generator.save(tmp_path / "toy")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for part in ("unet", "vae", "scheduler"):
        library, name = index[part]
        assert library == "diffusers"
        assert getattr(diffusers, name).from_pretrained(folder, subfolder=part) is not None
    tensors = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert not [file for file in folder.rglob("*") if file.suffix in (".bin", ".pt", ".pkl", ".ckpt")]


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda folder: (folder / "hyperface.json").unlink(), "hyperface.json"),
        (lambda folder: (folder / "unet" / "config.json").unlink(), "unet"),
        (lambda folder: (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"no"), "vae"),
        (lambda folder: (folder / "conditioning" / "statistics.safetensors").write_bytes(b"no"), "statistics"),
        (lambda folder: (folder / "conditioning" / "config.json").write_text("{}"), "config.json"),
    ],
)
def test_a_damaged_folder_is_named(generator: ReferenceGenerator, tmp_path: Path, damage, word: str) -> None:
    folder = generator.save(tmp_path / "toy")
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=word):
        ReferenceGenerator.load(folder, device="cpu")


def test_bad_input_is_refused_in_a_sentence(generator: ReferenceGenerator, references) -> None:
    good = unit_rows(2)
    broken = good.copy()
    broken[1, 3] = np.nan
    for vectors, message in (
        (broken, "NaN or infinity in row 1"),
        (good * 2, "length 1, found 2"),
        (good[:, :-1], r"expected \(n, 16\), found \(2, 15\)"),
        (replace(references, embedder="other", fingerprint="ffff"), "'other'.*'toy'"),
    ):
        with pytest.raises(ValueError, match=message):
            generator.sample(vectors, 0)
    for options, message in (
        ({"seeds": [1]}, "one for each of 2"),
        ({"seeds": [1, -2]}, "found -2"),
        ({"seeds": 0, "steps": 0}, "at least 1"),
        ({"seeds": 0, "guidance": float("nan")}, "guidance"),
        ({"seeds": 0, "nuisance": np.zeros((2, 3))}, r"expected \(n, 5\)"),
        ({"seeds": 0, "nuisance": np.full((2, 5), np.inf)}, "finite"),
        ({"seeds": 0, "nuisance": np.zeros((3, 5))}, "one for each of 2"),
    ):
        with pytest.raises(ValueError, match=message):
            generator.sample(good, **options)


def test_unknown_generators_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="arc2face:FOLDER"):
        load_generator("stylegan")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_generator(f"folder:{tmp_path}/nowhere")
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="make models"):
        load_generator("reference")


def test_the_shipped_shapes_fit_into_twenty_megabytes() -> None:
    from hyperface_lib.synthesis.diffusers_parts import create_codec, create_denoiser, parameter_count

    condition_length = 128 + 120 + 2
    weights = 2 * (parameter_count(create_denoiser(condition_length)) + parameter_count(create_codec()))
    assert weights < 19_600_000
