"""What the comparison of losses trains: one entry a loss and setting, in groups that each vary one thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SCALE = 16.0
"""The scale of every loss that has one, unless the scale is what varies: margins compare only at one scale."""

FIELD, ZOO, MARGINS, SCALES, GRADIENTS, EMPHASES = "field", "zoo", "margins", "scales", "gradients", "emphases"
TUPLES = "tuples"
"""field: the eight losses of the short comparison; zoo: all others with class centres; tuples: losses over pairs and
tuples of a batch, and ArcFace on the same batches; the rest vary one number of one loss."""

IMAGES_PER_IDENTITY = 4
"""In the batches of losses over tuples, which are of 16 identities then."""


@dataclass(frozen=True)
class LossSetting:
    """One loss with its options; `label` is what a table calls it."""

    label: str
    head: str
    options: dict[str, Any] = field(default_factory=dict)
    group: str = FIELD
    images_per_identity: int = 0

    def key(self, seed: int) -> str:
        """Return the name of the row of one training."""
        return f"{self.group}: {self.label}, seed {seed}"


def field_settings() -> list[LossSetting]:
    """Return the eight losses of the short comparison.

    Margins are half of the papers', as in the shipped recognisers: those were chosen for a scale of 64, large nets and
    millions of pictures. What the whole margin does is in `margin_settings`.
    """
    scaled = {"scale": SCALE}
    return [
        LossSetting("softmax", "softmax"),
        LossSetting("norm-softmax", "norm-softmax", scaled),
        LossSetting("sphereface", "sphereface", {**scaled, "margin_factor": 1.35}),
        LossSetting("cosface", "cosface", {**scaled, "margin_cosine": 0.175}),
        LossSetting("arcface", "arcface", {**scaled, "margin_radians": 0.25}),
        LossSetting("subcenter-arcface", "subcenter-arcface", {**scaled, "margin_radians": 0.25, "sub_centers": 3}),
        LossSetting("sv-arc", "sv-arc", {**scaled, "margin_radians": 0.25, "t": 1.2}),
        LossSetting("adaface", "adaface", {**scaled, "margin_radians": 0.2}),
    ]


def zoo_settings() -> list[LossSetting]:
    """Return the other losses with class centres, margins halved likewise."""
    scaled = {"scale": SCALE}
    entries: list[tuple[str, dict[str, Any]]] = [
        ("combined", {**scaled, "margin_factor": 1.0, "margin_radians": 0.15, "margin_cosine": 0.1}),
        ("hm-softmax", scaled),
        ("focal", scaled),
        ("mining-margin", scaled),
        ("sv-softmax", {**scaled, "t": 1.2}),
        ("sv-am", {**scaled, "margin_cosine": 0.175, "t": 1.2}),
        ("curricular", {**scaled, "margin_radians": 0.25}),
        ("magface", scaled),
        ("sphereface2", {}),
        ("circle", {}),
        ("intra", scaled),
        ("inter", scaled),
        ("center", {}),
    ]
    return [LossSetting(head, head, dict(options), ZOO) for head, options in entries]


def tuple_settings() -> list[LossSetting]:
    """Return the losses over pairs and tuples as published, with batches of identities, and ArcFace with the same."""
    entries: list[tuple[str, str, dict[str, Any]]] = [
        ("triplet semi-hard", "triplet", {}),
        ("triplet hard", "triplet", {"miner": "hard"}),
        ("triplet all", "triplet", {"miner": "all"}),
        ("angular-triplet", "angular-triplet", {}),
        ("tuplet", "tuplet", {"scale": SCALE}),
        ("n-pair", "tuplet", {"scale": 1.0, "margin_radians": 0.0, "miner": "n-pair"}),
        ("contrastive", "contrastive", {}),
        ("circle-pairs", "circle-pairs", {}),
        ("arcface, same batches", "arcface", {"scale": SCALE, "margin_radians": 0.25}),
    ]
    return [LossSetting(label, head, options, TUPLES, IMAGES_PER_IDENTITY) for label, head, options in entries]


def margin_settings() -> list[LossSetting]:
    """Return ArcFace and CosFace over their margin, the scale fixed."""
    arc = [
        LossSetting(f"arcface m={m:g}", "arcface", {"scale": SCALE, "margin_radians": m}, MARGINS)
        for m in (0.0, 0.1, 0.25, 0.4, 0.5)
    ]
    cos = [
        LossSetting(f"cosface m={m:g}", "cosface", {"scale": SCALE, "margin_cosine": m}, MARGINS)
        for m in (0.1, 0.175, 0.25, 0.35)
    ]
    return arc + cos


def scale_settings() -> list[LossSetting]:
    """Return ArcFace over its scale, the margin fixed."""
    return [
        LossSetting(f"arcface s={s:g}", "arcface", {"scale": s, "margin_radians": 0.25}, SCALES)
        for s in (8.0, 16.0, 32.0, 64.0)
    ]


def gradient_settings() -> list[LossSetting]:
    """Return ArcFace with the margin differentiated, and let through as a constant."""
    options = {"scale": SCALE, "margin_radians": 0.25}
    return [
        LossSetting(f"arcface {gradient}", "arcface", {**options, "gradient": gradient}, GRADIENTS)
        for gradient in ("exact", "detached")
    ]


def emphasis_settings() -> list[LossSetting]:
    """Return SV-Arc over t, which at 1 is ArcFace; 1.2 is the paper's."""
    options = {"scale": SCALE, "margin_radians": 0.25}
    return [LossSetting(f"sv-arc t={t:g}", "sv-arc", {**options, "t": t}, EMPHASES) for t in (1.02, 1.05, 1.1)]


def settings(*, every: bool) -> Iterator[LossSetting]:
    """Give the settings of the short comparison or, with `every`, of all groups in the order of their weight."""
    yield from field_settings()
    if every:
        yield from emphasis_settings()
        yield from margin_settings()
        yield from zoo_settings()
        yield from tuple_settings()
        yield from scale_settings()
        yield from gradient_settings()
