"""Recipes by name: for a notebook's minute, for the shipped networks' hour, and for the papers' graphics cards."""

from __future__ import annotations

from hyperface_lib.training.recipe import Augmentation, Recipe

PRESETS: dict[str, Recipe] = {
    # About twenty seconds on two processor cores whatever the number of images: 57,600 image views, which is 19 epochs
    # of 3,000 images.
    "quick": Recipe(
        architecture="tiny",
        dimension=128,
        head_options={"scale": 16.0, "margin_radians": 0.2},
        max_steps=900,
        batch_size=64,
        learning_rate=4e-3,
        warmup_steps=30,
    ),
    # The network of the shipped recognisers: about a minute for ten thousand image views on one core.
    "small": Recipe(),
    # The setting of the margin-loss papers for 112-pixel crops (ArcFace, step schedule), for accelerators. Their
    # learning rate of 0.1 belongs to batches of 512 and more.
    "paper": Recipe(
        architecture="iresnet50",
        dimension=512,
        head_options={"scale": 64.0, "margin_radians": 0.5},
        epochs=26,
        batch_size=128,
        optimiser="sgd",
        learning_rate=0.025,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="step",
        milestones=(12 / 26, 20 / 26, 24 / 26),
        warmup_steps=2000,
        margin_from=0.0,
        margin_full=0.0,
        augmentation=Augmentation(
            flip=0.5, shift_pixels=0, grey=0.0, brightness=0.0, contrast=0.0, noise=0.0, noise_sigma=0.0, erase=0.5
        ),
    ),
}


def recipe_preset(name: str) -> Recipe:
    """Return the recipe named "quick", "small" or "paper". Raises ValueError if the name is unknown."""
    if name not in PRESETS:
        raise ValueError(f"unknown recipe {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]
