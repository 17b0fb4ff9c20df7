"""Who is used for what: named, disjoint sets of people, and the seed of every picture."""

from __future__ import annotations

BLOCK = 10_000_000
SPLITS = (
    "showcase",
    "reference",
    "judge",
    "generator",
    "generator-heldout",
    "gallery",
    "rendered",
    "validation",
    "rendered-lfw",
    "rendered-cplfw",
    "rendered-agedb",
    "rendered-calfw",
    "rendered-cfp-fp",
    "rendered-occlusion",
    "rendered-low-quality",
    "rendered-light",
    "rendered-expression",
)
"""showcase: pictures in the documentation; reference, judge, generator: training sets of the shipped nets;
generator-heldout: people the generator is scored on; gallery: the gallery of notebook 01; rendered: training
variant made of renders; validation: watching training; the rest: the benchmark of that name."""

PICTURES_EACH = 1000


def identity_seeds(split: str, count: int, start: int = 0) -> list[int]:
    """Return the seeds of people `start` .. `start + count` of a named split; splits never share a person.

    Raises ValueError for an unknown split or a range outside its ten million people.
    """
    if split not in SPLITS:
        raise ValueError(f"Split {split!r} is unknown; the splits are {', '.join(SPLITS)}.")
    if start < 0 or count < 0 or start + count > BLOCK:
        raise ValueError(f"Split {split!r} has people 0 to {BLOCK - 1}, found start={start}, count={count}.")
    first = (1 + SPLITS.index(split)) * BLOCK + start
    return list(range(first, first + count))


def nuisance_seed(identity_seed: int, sample: int) -> int:
    """Return the seed of picture `sample` (0 .. 999) of a person, so that each picture can be made again alone."""
    if not 0 <= sample < PICTURES_EACH:
        raise ValueError(f"A person has pictures 0 to {PICTURES_EACH - 1}, found sample={sample}.")
    return identity_seed * PICTURES_EACH + sample
