"""Rendered benchmarks in the image of the five the field uses, and four that isolate one factor each.

Ten folds with people disjoint across folds and from everything trained on, half genuine and half impostor pairs, every
picture in one genuine and one impostor pair, all from fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hyperface_lib.faces.expressions import PRESETS, expression
from hyperface_lib.faces.identity import Identity
from hyperface_lib.faces.nuisance import Nuisance
from hyperface_lib.faces.profiles import draw
from hyperface_lib.faces.splits import identity_seeds, nuisance_seed
from hyperface_lib.faces.versions import BENCHMARK_VERSION, RENDERER_VERSION
from hyperface_lib.faces.world import FaceWorld
from hyperface_lib.formats import PairSet

FOLDS = 10
Change = Callable[[Nuisance, np.random.Generator], Nuisance]


def _as_drawn(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    return nuisance


def _any_yaw(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    return nuisance.with_changes(yaw_degrees=float(generator.uniform(-60, 60)))


def _frontal(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    return nuisance.with_changes(yaw_degrees=float(generator.normal(0, 6)))


def _profile(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    side = 1 if generator.random() < 0.5 else -1
    return nuisance.with_changes(
        yaw_degrees=float(side * generator.uniform(65, 85)), pitch_degrees=0.5 * nuisance.pitch_degrees
    )


def _young(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    return nuisance.with_changes(age_years=float(generator.uniform(18, 32)))


def _old(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    return nuisance.with_changes(age_years=float(generator.uniform(52, 76)))


def _any_age(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    return nuisance.with_changes(age_years=float(generator.uniform(16, 80)))


def _occluded(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    kind = generator.integers(4)
    if kind == 0:
        return nuisance.with_changes(occluder="mask")
    if kind == 1:
        left, top = generator.uniform(0.05, 0.55, 2)
        width, height = generator.uniform(0.3, 0.45, 2)
        return nuisance.with_changes(
            occluder="patch", occluder_box=(float(left), float(top), float(left + width), float(top + height))
        )
    return nuisance.with_changes(glasses="dark") if kind == 2 else nuisance.with_changes(hat="hood", glasses="clear")


def _low_quality(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    return nuisance.with_changes(
        resolution=float(generator.uniform(0.16, 0.35)),
        noise=float(generator.uniform(0.01, 0.05)),
        blur_pixels=float(generator.uniform(0, 0.8)),
    )


def _hard_light(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    side = 1 if generator.random() < 0.5 else -1
    return nuisance.with_changes(
        light_azimuth_degrees=float(side * generator.uniform(55, 110)),
        light_elevation_degrees=float(generator.uniform(-20, 60)),
        light_strength=float(generator.uniform(0.8, 1.0)),
        ambient_strength=float(generator.uniform(0.12, 0.3)),
    )


def _strong_expression(nuisance: Nuisance, generator: np.random.Generator) -> Nuisance:
    names = [name for name in PRESETS if name != "neutral"]
    return nuisance.with_changes(
        expression=expression(names[generator.integers(len(names))], float(generator.uniform(0.8, 1.1)))
    )


@dataclass(frozen=True)
class Recipe:
    """How the two pictures of a pair are drawn, and how impostors are chosen."""

    profile: str
    first: Change = _as_drawn
    second: Change = _as_drawn
    matched_impostors: bool = False
    full_size: int = 6000


RECIPES = {
    "rendered-lfw": Recipe("press"),
    "rendered-cplfw": Recipe("press", _any_yaw, _any_yaw),
    "rendered-agedb": Recipe("free", _any_age, _any_age),
    "rendered-calfw": Recipe("press", _young, _old, matched_impostors=True),
    "rendered-cfp-fp": Recipe("press", _frontal, _profile, full_size=7000),
    "rendered-occlusion": Recipe("mild", second=_occluded),
    "rendered-low-quality": Recipe("mild", second=_low_quality),
    "rendered-light": Recipe("mild", second=_hard_light),
    "rendered-expression": Recipe("mild", second=_strong_expression),
}
BENCHMARKS = tuple(RECIPES)[:5]
FACTOR_SETS = tuple(RECIPES)[5:]


def _impostor_partners(people: list[Identity], matched: bool) -> np.ndarray:
    """Return, for each person of a fold, the others in the order in which they serve as impostors: (n, n - 1)."""
    count = len(people)
    if not matched:
        return np.stack([(np.arange(1, count) + person) % count for person in range(count)])
    sex = np.array([round(person.sex) for person in people])
    ancestry = np.array([person.ancestry for person in people])
    distance = np.abs(ancestry[:, None] - ancestry[None]).sum(2) + 10.0 * (sex[:, None] != sex[None])
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, : count - 1]


def rendered_benchmark(
    name: str, pairs: int | None = None, size: int = 64, workers: int | None = None, progress: bool = False
) -> PairSet:
    """Render `pairs` pairs (None: full size, 6,000, or 7,000 for cfp-fp) in ten folds of `size`-pixel crops.

    In each fold every person appears with the same number of genuine and impostor pairs.

    Raises:
        ValueError: unknown name, or a number of pairs that ten balanced folds cannot share equally.
    """
    if name not in RECIPES:
        raise ValueError(f"Benchmark {name!r} is unknown; the rendered benchmarks are {', '.join(RECIPES)}.")
    recipe = RECIPES[name]
    pairs = recipe.full_size if pairs is None else pairs
    if pairs < 60 or pairs % (2 * FOLDS):
        raise ValueError(f"A rendered benchmark needs a multiple of {2 * FOLDS} pairs, at least 60, found {pairs}.")
    genuine = pairs // (2 * FOLDS)  # a fold
    each = 3 if genuine >= 90 else 1  # genuine pairs a person
    people_count = -(-genuine // each)
    identities: list[int] = []
    pictures: list[Nuisance] = []
    first, second, same, folds = [], [], [], []
    for fold in range(FOLDS):
        seeds = identity_seeds(name, people_count, start=fold * 1000)
        start = len(pictures)
        for seed in seeds:
            for sample in range(2 * each):
                number = nuisance_seed(seed, sample)
                change = recipe.second if sample % 2 else recipe.first
                identities.append(seed)
                pictures.append(change(draw(number, recipe.profile), np.random.default_rng([number, 0xBE])))
        partners = _impostor_partners([Identity.random(seed) for seed in seeds], recipe.matched_impostors)
        slots = [(person, pair) for pair in range(each) for person in range(people_count)][:genuine]
        for is_same in (True, False):
            for person, pair in slots:
                other = person if is_same else int(partners[person, pair])
                first.append(start + person * 2 * each + 2 * pair)
                second.append(start + other * 2 * each + 2 * pair + 1)
                same.append(is_same)
                folds.append(fold)
    images = FaceWorld(size).render_batch(identities, pictures, workers=workers, progress=progress)
    return PairSet(
        name=name,
        images=images,
        first=np.array(first),
        second=np.array(second),
        is_same=np.array(same),
        folds=np.array(folds),
        aligned=True,
        provenance={
            "renderer_version": RENDERER_VERSION,
            "benchmark_version": BENCHMARK_VERSION,
            "pairs": pairs,
            "size": size,
            "world": "rendered faces",
        },
    )
