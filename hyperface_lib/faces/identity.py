"""Who: every factor of a rendered face that stays with the person."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from hyperface_lib.faces.head import load_head

ALBEDO_FIELDS = 24
"""Number of smooth random colour fields on the head."""

HAIR_COLOURS = np.array(
    [
        [0.03, 0.025, 0.02],
        [0.06, 0.04, 0.03],
        [0.14, 0.08, 0.045],
        [0.26, 0.16, 0.08],
        [0.52, 0.37, 0.19],
        [0.38, 0.14, 0.06],
        [0.70, 0.56, 0.36],
    ]
)
IRIS_COLOURS = np.array(
    [
        [0.10, 0.05, 0.03],
        [0.18, 0.10, 0.05],
        [0.30, 0.20, 0.08],
        [0.25, 0.30, 0.16],
        [0.22, 0.34, 0.48],
        [0.40, 0.46, 0.50],
    ]
)
# The large shapes of the skull make heads blocky when they vary as freely as noses and mouths do.
SKULL_PARTS = ("head", "cheek", "chin", "forehead")
SKULL_SPREAD, FEATURE_SPREAD = 0.28, 0.42


@dataclass(frozen=True, eq=False)
class Identity:
    """A person: about 150 coefficients of shape and 75 of appearance, all fixed by one seed.

    Colours are linear RGB in [0, 1]; normal-distributed traits have mean 0 and standard deviation 1.
    """

    sex: float  # 0 female .. 1 male
    ancestry: np.ndarray  # (3,) shares of African, Asian, Caucasian shape
    weight: float  # 0 lean .. 1 heavy
    age_years: float  # the age at which most pictures of the person are taken
    shape: np.ndarray  # (parts,) local shape in [-1, 1]
    asymmetry: np.ndarray  # (pairs,)
    melanin: float
    redness: float
    albedo: np.ndarray  # (24,) smooth colour fields
    flush: np.ndarray  # (3,) cheeks, nose, under the eyes
    freckles: float  # 0 none .. 1 many
    moles: np.ndarray  # (m, 3) x, y, radius in decimetres
    brows: np.ndarray  # (6,) position, length, height, arch, thickness, density
    iris_rgb: np.ndarray
    hair_rgb: np.ndarray
    hairline: np.ndarray  # (4,) height, recess, waviness frequency and phase
    hair_volume: float  # 0.05 .. 1
    hair_waves: float  # 0 straight .. 1 curly
    long_hair: bool
    fringe: float  # 0 none .. 1 to the brows
    baldness: float  # 0 .. 1, acts on older men
    beard: float  # 0 .. 1 habitual growth
    lips: np.ndarray  # (3,) colour offset
    makeup: float  # 0 .. 1 habitual

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                if not np.isfinite(value).all():
                    raise ValueError(f"Identity.{field.name} must be finite, found {value}.")
                value.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Identity):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        return hash((self.sex, self.age_years, self.melanin, self.albedo.tobytes()))

    @classmethod
    def random(cls, seed: int) -> Identity:
        """Draw the person of this seed (any non-negative integer)."""
        head = load_head()
        generator = np.random.default_rng([int(seed), 0x1DE])
        normal, uniform = generator.normal, generator.random
        sex = float(generator.beta(1.5, 8))
        sex = sex if uniform() < 0.5 else 1 - sex
        ancestry = generator.dirichlet([0.45] * 3)
        spread = np.array(
            [SKULL_SPREAD if part.startswith(SKULL_PARTS) else FEATURE_SPREAD for part, _, _ in head.shape_pairs]
        )
        shape = np.clip(normal(0, 1, len(spread)) * spread, -1, 1)
        asymmetry = np.clip(normal(0, 0.22, len(head.asymmetries)), -0.8, 0.8)
        melanin = float(np.clip(ancestry @ [0.78, 0.33, 0.16] + normal(0, 0.10), 0.02, 1))
        dark = ancestry @ [1, 1, 0.45]
        hair = HAIR_COLOURS[generator.integers(0, 2) if uniform() < dark else generator.integers(1, 7)]
        iris = IRIS_COLOURS[generator.integers(0, 2) if uniform() < dark else generator.integers(1, 6)]
        mole_count = int(generator.poisson(1.1))
        moles = np.stack(
            [
                generator.uniform(-0.6, 0.6, mole_count),
                generator.uniform(6.35, 7.85, mole_count),
                generator.uniform(0.016, 0.030, mole_count),
            ],
            1,
        )
        male = sex > 0.5
        return cls(
            sex=sex,
            ancestry=ancestry,
            weight=float(np.clip(normal(0.5, 0.17), 0.05, 0.95)),
            age_years=float(18 + 55 * generator.beta(1.3, 2.4)),
            shape=shape,
            asymmetry=asymmetry,
            melanin=melanin,
            redness=float(normal()),
            albedo=normal(size=ALBEDO_FIELDS),
            flush=normal(size=3),
            freckles=float(np.clip(normal(-0.6, 0.8) - 2 * (melanin - 0.2), 0, 1.1)),
            moles=moles,
            brows=normal(size=6),
            iris_rgb=np.clip(iris * np.exp(normal(0, 0.15, 3)), 0, 1),
            hair_rgb=np.clip(hair * np.exp(normal(0, 0.15)), 0, 1),
            hairline=normal(size=4),
            hair_volume=float(np.clip(normal(0.5, 0.25), 0.05, 1)),
            hair_waves=float(np.clip(normal(0.35 + 0.4 * ancestry[0], 0.25), 0, 1)),
            long_hair=bool(uniform() < (0.10 if male else 0.70)),
            fringe=float(np.clip(normal(0.1, 0.45), 0, 1)),
            baldness=float(uniform()),
            beard=float(np.clip(normal(0.25, 0.4), 0, 1)) if male else 0.0,
            lips=normal(size=3),
            makeup=0.0 if male else float(np.clip(normal(0.25, 0.35), 0, 1)),
        )
