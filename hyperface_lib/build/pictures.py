"""Make the pictures of the README again: `python -m hyperface_lib.build.pictures`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from hyperface_lib.assets import data_folder
from hyperface_lib.atomic import atomic_path
from hyperface_lib.faces import FaceWorld, Identity, Nuisance, contact_sheet, identity_seeds, nuisance_seed
from hyperface_lib.runs import Run
from hyperface_lib.synthesis import read_dataset

PEOPLE, PICTURES = 6, 10
DRAWN_VARIANT = "packed-subspace"
# One row each: a factor moves, everything else stands still.
FACTORS: tuple[tuple[dict[str, object], ...], ...] = (
    tuple({"yaw_degrees": float(yaw)} for yaw in np.linspace(-80, 80, PICTURES)),
    tuple({"age_years": float(age)} for age in (7, 10, 14, 20, 28, 36, 45, 56, 68, 82)),
    tuple(
        {"expression": name}
        for name in "neutral smile grin laugh surprise frown disgust squint pucker smirk".split()  # noqa: SIM905
    ),
    tuple({"light_azimuth_degrees": float(a), "light_strength": 0.95} for a in np.linspace(-100, 100, PICTURES)),
    (
        {"glasses": "clear"},
        {"glasses": "dark"},
        {"hat": "beanie"},
        {"hat": "hood"},
        {"occluder": "mask"},
        {"hair": "long"},
        {"fringe": 1.0},
        {"beard": 0.8},
        {"resolution": 0.25},
        {"noise": 0.06},
    ),
)


def people_sheet(world: FaceWorld) -> np.ndarray:
    """Show one person a row, pictures as photographs in the wild vary them."""
    seeds = identity_seeds("showcase", PEOPLE, start=20)
    pictures = [(seed, nuisance_seed(seed, sample)) for seed in seeds for sample in range(PICTURES)]
    images = world.render_batch([who for who, _ in pictures], [how for _, how in pictures], profile="wide")
    return contact_sheet(images, columns=PICTURES)


def factor_sheet(world: FaceWorld) -> np.ndarray:
    """Show one factor a row: yaw, age, expression, light, and what people wear and cameras do."""
    people = [Identity.random(seed) for seed in identity_seeds("showcase", 400)]
    chosen = next(
        p
        for p in people
        if p.sex > 0.7 and not p.long_hair and p.baldness < 0.5 and p.beard < 0.15 and p.age_years < 35
    )
    plain = Nuisance(light_azimuth_degrees=25.0)
    nuisances = [plain.with_changes(**changes) for row in FACTORS for changes in row]
    return contact_sheet(world.render_batch([chosen] * len(nuisances), nuisances), columns=PICTURES)


def drawn_sheet() -> np.ndarray:
    """Show packed identities of the reference run one a row, as the generator draws them, at twice their size."""
    dataset = Run(data_folder() / "runs" / "reference", fallback=None).read_dataset(DRAWN_VARIANT)
    images, labels, _ = read_dataset(dataset.folder)
    return contact_sheet(images[labels < PEOPLE].repeat(2, axis=1).repeat(2, axis=2), columns=int(sum(labels == 0)))


def write_pictures(folder: Path) -> list[Path]:
    """Write faces.jpg, factors.jpg and drawn.jpg into `folder`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    world = FaceWorld(112)
    sheets = {"faces.jpg": people_sheet(world), "factors.jpg": factor_sheet(world), "drawn.jpg": drawn_sheet()}
    written = []
    for name, sheet in sheets.items():
        with atomic_path(folder / name) as temporary:
            Image.fromarray(sheet).save(temporary, format="JPEG", quality=85)
        written.append(folder / name)
    return written


if __name__ == "__main__":
    for path in write_pictures(data_folder() / "pictures"):
        print(path)
