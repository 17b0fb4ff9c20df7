"""The head model: a mesh, its displacement targets and what the renderer derives from them once."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from hyperface_lib.assets import asset
from hyperface_lib.faces.raster import ambient_occlusion

SKIN, LEFT_EYE, RIGHT_EYE, TEETH, TONGUE, HAIR = range(6)
POSITIVE_DIRECTIONS = {"incr", "up", "out", "forward", "convex", "round", "uncompress"}
AGE_TARGETS = {"baby": 1.0, "child": 11.0, "young": 25.0, "old": 85.0}
"""Ages in years that the macro targets stand for; between them the renderer interpolates."""


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    position = np.clip((value - low) / (high - low), 0, 1)
    return position * position * (3 - 2 * position)


@dataclass(frozen=True)
class HeadModel:
    """Mesh of v vertices and t triangles (units: decimetres, y up, face towards +z) with k displacement targets."""

    rest: np.ndarray  # (v, 3) float32
    triangles: np.ndarray  # (t, 3) int32
    vertex_material: np.ndarray  # (v,) int32
    triangle_material: np.ndarray  # (t,) int32
    basis: np.ndarray  # (k, 3 v) float32
    index: dict[str, int]  # target name -> row of the basis
    shape_pairs: tuple[tuple[str, int, int], ...]  # (part, row for positive, row for negative or -1)
    asymmetries: tuple[tuple[int, int], ...]  # (row left, row right)
    expressions: tuple[str, ...]
    lips: np.ndarray  # (v,) float32
    mouth_cavity: np.ndarray  # (v,) float32
    inner: np.ndarray  # (v,) bool: inside mouth or eye socket
    hair_room: np.ndarray  # (v,) float32: 0 at the ears, 1 away from them
    occlusion: np.ndarray  # (v,) float32
    eye_centres: np.ndarray  # (2, 3): left, right
    left_eye_vertices: np.ndarray
    right_eye_vertices: np.ndarray
    nose_tip: int
    left_mouth_corner: int
    right_mouth_corner: int

    @property
    def vertex_count(self) -> int:
        """Number of vertices."""
        return len(self.rest)

    def macro_coefficients(
        self, coefficients: np.ndarray, sex: float, age_years: float, ancestry: np.ndarray, weight: float
    ) -> None:
        """Set the macro targets of one coefficient row in place (sex 0 .. 1, ancestry (3,), weight 0 .. 1)."""
        years = list(AGE_TARGETS.values())
        age_share = {name: float(np.interp(age_years, years, np.eye(4)[k])) for k, name in enumerate(AGE_TARGETS)}
        weight_share = {
            "minweight": max(1 - 2 * weight, 0.0),
            "averageweight": 1 - abs(2 * weight - 1),
            "maxweight": max(2 * weight - 1, 0.0),
        }
        for sex_name, sex_share in (("female", 1 - sex), ("male", sex)):
            for age_name, share in age_share.items():
                if share == 0:
                    continue
                for weight_name, part in weight_share.items():
                    coefficients[self.index[f"U:{sex_name}:{age_name}:{weight_name}"]] = sex_share * share * part
                for k, name in enumerate(("african", "asian", "caucasian")):
                    coefficients[self.index[f"R:{name}:{sex_name}:{age_name}"]] = sex_share * share * ancestry[k]


def _pair_shapes(names: list[str], index: dict[str, int]) -> tuple[tuple[str, int, int], ...]:
    directions: dict[str, list[str]] = {}
    for name in names:
        if name.startswith("L:"):
            _, part, direction = name.split(":")
            directions.setdefault(part, []).append(direction)
    pairs: list[tuple[str, int, int]] = []
    for part, found in sorted(directions.items()):
        positive = [d for d in found if d in POSITIVE_DIRECTIONS]
        negative = [d for d in found if d not in POSITIVE_DIRECTIONS]
        if len(positive) == len(negative) == 1:
            pairs.append((part, index[f"L:{part}:{positive[0]}"], index[f"L:{part}:{negative[0]}"]))
        else:
            pairs += [(part, index[f"L:{part}:{direction}"], -1) for direction in found]
    return tuple(pairs)


@functools.lru_cache(maxsize=1)
def load_head() -> HeadModel:
    """Load the shipped head model and derive landmarks, ambient occlusion and hair room, once a process."""
    path = asset("head/head.npz")
    with np.load(path, allow_pickle=False) as pack:
        arrays = {name: pack[name] for name in pack.files}
    names = [str(name) for name in arrays["names"]]
    index = {name: k for k, name in enumerate(names)}
    rest = arrays["rest"].astype(np.float32)
    triangles = arrays["triangles"].astype(np.int32)
    material = arrays["vertex_material"].astype(np.int32)
    rest[(material == TEETH) | (material == TONGUE), 2] -= 0.05  # or teeth show through pressed lips
    basis = np.zeros((len(names) * len(rest), 3), np.float32)
    basis[arrays["basis_index"]] = arrays["basis_value"].astype(np.float32)
    basis = basis.reshape(len(names), -1)
    skin = material == SKIN
    lips = arrays["lips"].astype(np.float32)
    cavity = arrays["mouth_cavity"].astype(np.float32)

    ear_points = rest[arrays["ears"] > 0.5]
    distance = np.sqrt(((rest[:, None] - ear_points[None]) ** 2).sum(2)).min(1)
    left, right = np.flatnonzero(material == LEFT_EYE), np.flatnonzero(material == RIGHT_EYE)
    near_nose = np.flatnonzero(skin & (np.abs(rest[:, 0]) < 0.06) & (rest[:, 1] > 6.75) & (rest[:, 1] < 7.1))
    lip_vertices = np.flatnonzero(skin & (lips > 0.4))

    occlusion = np.clip(0.15 + ambient_occlusion(rest, triangles, material[triangles[:, 0]] < TEETH), 0, 1)
    occlusion[(material == LEFT_EYE) | (material == RIGHT_EYE)] = 0.85
    occlusion[material == TEETH] = 0.9  # the closed mouth of the resting mesh would leave them black
    occlusion[material == TONGUE] = 0.6
    occlusion[material == HAIR] = 0.9
    parts = sorted({name.split(":")[1] for name in names if name.startswith("A:")})
    return HeadModel(
        rest=rest,
        triangles=triangles,
        vertex_material=material,
        triangle_material=material[triangles[:, 0]].astype(np.int32),
        basis=basis,
        index=index,
        shape_pairs=_pair_shapes(names, index),
        asymmetries=tuple((index[f"A:{part}:left"], index[f"A:{part}:right"]) for part in parts),
        expressions=tuple(name[2:] for name in names if name.startswith("E:")),
        lips=lips,
        mouth_cavity=cavity,
        inner=(cavity > 0.3) | arrays["eye_cavity"],
        hair_room=smoothstep(0.02, 0.22, distance).astype(np.float32),
        occlusion=occlusion.astype(np.float32),
        eye_centres=np.stack([rest[left].mean(0), rest[right].mean(0)]).astype(np.float32),
        left_eye_vertices=left,
        right_eye_vertices=right,
        nose_tip=int(near_nose[np.argmax(rest[near_nose, 2])]),
        left_mouth_corner=int(lip_vertices[np.argmax(rest[lip_vertices, 0])]),
        right_mouth_corner=int(lip_vertices[np.argmin(rest[lip_vertices, 0])]),
    )
