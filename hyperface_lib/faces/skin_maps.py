"""Where on the head each texel of the cylindrical texture lies, and the regions that carry colour."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from hyperface_lib.faces.head import SKIN, load_head, smoothstep
from hyperface_lib.faces.identity import ALBEDO_FIELDS
from hyperface_lib.faces.raster import CYLINDER_AXIS_Z, rasterise

TEXTURE_BOTTOM, TEXTURE_TOP = 5.4, 8.7
# Channels of the map that says where on the head a texel lies.
(
    X,
    Y,
    Z,
    THETA,
    FRONT,
    BEARD,
    MOUSTACHE,
    CHEEK,
    NOSE,
    UNDER_EYE,
    CROW_FEET,
    FOREHEAD,
    NASOLABIAL,
    GRAIN,
    PORES,
    LINES,
) = range(16)


class SkinMaps(NamedTuple):
    """What `paint` reads about the texels of a t x t texture: (t, t, 16) places and (t, t, 24) smooth colours."""

    place: np.ndarray
    albedo: np.ndarray
    eye_x: float
    eye_y: float


def _smooth_fields(generator: np.random.Generator, count: int, frequency: float, position: np.ndarray) -> np.ndarray:
    waves = (generator.normal(size=(count, 24, 3)) * frequency).astype(np.float32)
    phase = generator.uniform(0, 2 * np.pi, (count, 24)).astype(np.float32)
    amplitude = generator.normal(size=(count, 24)).astype(np.float32) / np.sqrt(12)
    out = np.empty((count, len(position)), np.float32)
    for k in range(count):
        out[k] = np.cos(position @ waves[k].T + phase[k]) @ amplitude[k]
    return out


@functools.lru_cache(maxsize=4)
def load_skin_maps(texels: int) -> SkinMaps:
    """Unroll the resting head on a cylinder of `texels` x `texels` and mark the regions that carry colour."""
    head = load_head()
    theta = np.arctan2(head.rest[:, 0], head.rest[:, 2] - CYLINDER_AXIS_Z)
    flat = np.stack(
        [
            (theta / (2 * np.pi) + 0.5) * texels,
            (TEXTURE_TOP - head.rest[:, 1]) / (TEXTURE_TOP - TEXTURE_BOTTOM) * texels,
        ],
        1,
    )
    flat = np.concatenate([flat, np.hypot(head.rest[:, 0], head.rest[:, 2] - CYLINDER_AXIS_Z)[:, None]], 1).astype(
        np.float32
    )
    corner = flat[head.triangles][:, :, 0]
    keep = (np.ptp(corner, axis=1) < texels / 2) & (head.triangle_material == SKIN) & ~head.inner[head.triangles].any(1)
    depth = np.zeros((texels, texels), np.float32)
    triangle_at = np.zeros((texels, texels), np.int32)
    weight_b, weight_c = np.zeros_like(depth), np.zeros_like(depth)
    rasterise(
        flat, head.triangles, keep, head.triangle_material, head.rest, 0.0, 0.0, depth, triangle_at, weight_b, weight_c
    )
    corners = head.triangles[np.maximum(triangle_at, 0)]
    position = sum(
        head.rest[corners[..., k]] * weight[..., None]
        for k, weight in enumerate((1 - weight_b - weight_c, weight_b, weight_c))
    )
    row, column = np.mgrid[0:texels, 0:texels] + 0.5
    angle = (column / texels - 0.5) * 2 * np.pi
    cylinder = np.stack(
        [np.sin(angle), TEXTURE_TOP - row / texels * (TEXTURE_TOP - TEXTURE_BOTTOM), CYLINDER_AXIS_Z + np.cos(angle)],
        -1,
    )
    position = np.where((triangle_at >= 0)[..., None], position, cylinder).astype(np.float32)

    x, y, z = position[..., 0], position[..., 1], position[..., 2]
    side = np.abs(x)
    eye_x, eye_y = float(head.eye_centres[0, 0]), float(head.eye_centres[0, 1])
    front = smoothstep(0.2, 0.7, z)
    jaw = smoothstep(6.95, 6.75, y + 0.25 * side) * smoothstep(5.95, 6.2, y) * front
    sideburn = (
        smoothstep(0.55, 0.75, side)
        * smoothstep(7.25, 6.95, y)
        * smoothstep(6.2, 6.5, y)
        * smoothstep(0.45, 0.75, z)
        * smoothstep(1.0, 0.9, side)
    )
    generator = np.random.default_rng(20240811)
    flat_position = position.reshape(-1, 3)
    albedo = np.concatenate([_smooth_fields(generator, ALBEDO_FIELDS // 2, f, flat_position) for f in (1.5, 4.0)])
    pores, lines = _smooth_fields(generator, 2, 22.0, flat_position).reshape(2, texels, texels)
    # the grain is drawn on one fixed grid, so that beards and freckles look the same at every texture size
    grid = generator.random((160, 160)).astype(np.float32)
    pick = (np.arange(texels) * 160) // texels
    grain = grid[pick][:, pick]
    place = np.empty((texels, texels, 16), np.float32)
    for channel, values in {
        X: x,
        Y: y,
        Z: z,
        THETA: np.arctan2(x, z - CYLINDER_AXIS_Z),
        FRONT: front,
        BEARD: np.clip(jaw + sideburn, 0, 1),
        MOUSTACHE: smoothstep(6.86, 6.8, y) * smoothstep(6.66, 6.7, y) * smoothstep(0.36, 0.25, side) * front,
        CHEEK: np.exp(-(((side - 0.5) / 0.22) ** 2) - ((y - 6.95) / 0.2) ** 2) * front,
        NOSE: np.exp(-((x / 0.16) ** 2) - ((y - 6.93) / 0.15) ** 2) * front,
        UNDER_EYE: np.exp(-(((side - eye_x) / 0.2) ** 2) - ((y - (eye_y - 0.17)) / 0.07) ** 2) * front,
        CROW_FEET: np.exp(-(((side - eye_x - 0.3) / 0.1) ** 2) - ((y - eye_y) / 0.14) ** 2),
        FOREHEAD: smoothstep(7.5, 7.6, y) * smoothstep(8.1, 7.95, y) * front,
        NASOLABIAL: np.exp(-(((side - (0.2 + 0.42 * (6.98 - y))) / 0.035) ** 2))
        * smoothstep(6.55, 6.65, y)
        * smoothstep(7.0, 6.9, y)
        * front,
        GRAIN: grain,
        PORES: pores,
        LINES: lines,
    }.items():
        place[..., channel] = values
    by_texel = np.ascontiguousarray(albedo.T).reshape(texels, texels, ALBEDO_FIELDS)
    return SkinMaps(place, by_texel, eye_x, eye_y)
