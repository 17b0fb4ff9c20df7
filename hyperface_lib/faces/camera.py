"""From head space to the finished picture: pose, perspective, 5-point alignment and what a camera adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter

from hyperface_lib.faces.nuisance import Nuisance

ARCFACE_TEMPLATE = (
    np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]) / 112
)
"""Left eye, right eye, nose, left and right mouth corner (as seen in the picture), as shares of the 112-pixel crop."""
REFERENCE_SCALE = 0.315
"""Eye distance of a frontal face as a share of the crop; it bounds the scale of the alignment in profile."""


def rotation(yaw_degrees: float, pitch_degrees: float, roll_degrees: float) -> np.ndarray:
    """Return the (3, 3) rotation that turns the head by yaw, then pitch, then roll."""
    yaw, pitch, roll = np.radians([yaw_degrees, -pitch_degrees, roll_degrees])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit target = matrix @ source + shift in the least squares sense (Umeyama 1991); points are (k, 2)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(b.T @ a / len(source))
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    matrix = (u * sign) @ vt * ((singular * sign).sum() / a.var(0).sum())
    return matrix, target_mean - matrix @ source_mean


def project(points: np.ndarray, distance: float) -> np.ndarray:
    """Project (k, 3) points with a pinhole at `distance` decimetres; y then points down."""
    depth = 1 - points[:, 2] / distance
    return np.stack([points[:, 0] / depth, -points[:, 1] / depth], 1)


def align(landmarks: np.ndarray, eye_distance: float, nuisance: Nuisance) -> tuple[np.ndarray, np.ndarray]:
    """Return matrix (2, 2) and shift (2,) that put the projected landmarks (5, 2) on the ArcFace template, crop side 1.

    In profile the five points nearly coincide and would blow the face up, so the scale is kept near the
    frontal one. The alignment errors of the nuisance (shift, zoom, tilt) are applied on top.
    """
    matrix, _ = similarity(landmarks, ARCFACE_TEMPLATE)
    scale = np.sqrt(abs(np.linalg.det(matrix)))
    frontal = REFERENCE_SCALE / eye_distance
    matrix = matrix * (np.clip(scale, 0.85 * frontal, 1.12 * frontal) / scale)
    tilt = np.radians(nuisance.tilt_degrees)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]) * nuisance.zoom
    matrix = turn @ matrix
    shift = ARCFACE_TEMPLATE.mean(0) - matrix @ landmarks.mean(0) + [nuisance.shift_x, nuisance.shift_y]
    return matrix, shift


@dataclass(frozen=True)
class Placement:
    """A camera: where head space ends up on the crop (side 1)."""

    centre: np.ndarray  # (3,) the head turns about this point
    turn: np.ndarray  # (3, 3)
    distance: float  # decimetres
    matrix: np.ndarray  # (2, 2)
    shift: np.ndarray  # (2,)
    landmarks: np.ndarray  # (5, 2) on the crop, side 1

    def screen(self, points: np.ndarray, side: int) -> np.ndarray:
        """Return (v, 3) float32: x, y in pixels of a crop of `side` pixels, and depth (bigger is nearer)."""
        turned = (points - self.centre) @ self.turn.T
        flat = (project(turned, self.distance) @ self.matrix.T + self.shift) * side
        return np.concatenate([flat, turned[:, 2:3]], 1).astype(np.float32)


def place(landmarks: np.ndarray, nuisance: Nuisance) -> Placement:
    """Find the camera that sees the five landmarks (5, 3) of a head where the alignment puts them."""
    centre = (landmarks[:2].mean(0) + landmarks[3:].mean(0)) / 2 - np.array([0, 0, 0.9], np.float32)
    turn = rotation(nuisance.yaw_degrees, nuisance.pitch_degrees, nuisance.roll_degrees)
    distance = 10 * nuisance.camera_metres
    flat = project((landmarks - centre) @ turn.T, distance)
    matrix, shift = align(flat, float(np.linalg.norm(landmarks[0] - landmarks[1])), nuisance)
    return Placement(
        centre, turn, distance, matrix.astype(np.float32), shift.astype(np.float32), flat @ matrix.T + shift
    )


def background(nuisance: Nuisance, size: int, generator: np.random.Generator) -> np.ndarray:
    """Return a soft (size, size, 3) background around the background colour."""
    grid = np.array(nuisance.background_rgb) * np.exp(
        0.28 * generator.normal(size=(4, 4, 1)) + 0.05 * generator.normal(size=(4, 4, 3))
    )
    grid = np.clip(grid, 0.0, 1.0)
    place = np.linspace(0, 2.999, size)
    low = place.astype(int)
    share = (place - low)[:, None]
    rows = grid[low] * (1 - share)[:, None] + grid[low + 1] * share[:, None]
    return (rows[:, low] * (1 - share)[None] + rows[:, low + 1] * share[None]).astype(np.float32)


@njit(cache=True, fastmath=True, nogil=True)
def compose(colour, alpha, behind):  # type: ignore[no-untyped-def]
    """Average 2 x 2 samples of the head (2 s, 2 s, 3) and its coverage, and put it before `behind` (s, s, 3)."""
    out = np.empty_like(behind)
    quarter = np.float32(0.25)
    for y in range(behind.shape[0]):
        for x in range(behind.shape[1]):
            a, b = 2 * y, 2 * x
            through = 1 - (alpha[a, b] + alpha[a + 1, b] + alpha[a, b + 1] + alpha[a + 1, b + 1]) * quarter
            for k in range(3):
                seen = colour[a, b, k] + colour[a + 1, b, k] + colour[a, b + 1, k] + colour[a + 1, b + 1, k]
                out[y, x, k] = seen * quarter + behind[y, x, k] * through
    return out


def develop(colour: np.ndarray, alpha: np.ndarray, nuisance: Nuisance, size: int) -> np.ndarray:
    """Turn supersampled linear light (2 s, 2 s, 3) and coverage into the finished (s, s, 3) uint8 picture."""
    generator = np.random.default_rng([nuisance.seed, 0xCA3])
    image = compose(colour, alpha, background(nuisance, size, generator))
    cast = np.exp([nuisance.warmth, nuisance.tint, -nuisance.warmth])
    image = image * (2.0**nuisance.exposure_stops * cast).astype(np.float32)
    image = image / (1 + 0.18 * image) * 1.12  # soft shoulder instead of burnt highlights
    image = np.clip(image, 0, 1) ** (2.0**nuisance.gamma_stops / 1.75)
    grey = (image[..., :1] + image[..., 1:2] + image[..., 2:]) / 3
    image = grey + (image - grey) * (0.0 if nuisance.black_and_white else nuisance.saturation)
    if nuisance.occluder == "patch":
        left, top, right, bottom = (round(share * size) for share in nuisance.occluder_box)
        image[max(top, 0) : bottom, max(left, 0) : right] = np.clip(nuisance.occluder_rgb, 0, 1)
    sigma = nuisance.blur_pixels * size / 64
    if nuisance.resolution < 1:  # pixels the camera did not have
        sigma = np.hypot(sigma, 0.45 * (1 / max(nuisance.resolution, 0.05) - 1))
    if sigma > 0.15:
        image = gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=3.0)
    if nuisance.noise > 0:
        image = image + generator.standard_normal(image.shape, dtype=np.float32) * np.float32(nuisance.noise)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
