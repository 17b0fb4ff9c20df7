"""The painted head: skin, brows, beard, hair, hat, glasses and clothes on a cylindrical texture."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from hyperface_lib.faces.head import smoothstep
from hyperface_lib.faces.identity import Identity
from hyperface_lib.faces.nuisance import Nuisance
from hyperface_lib.faces.skin_maps import (
    BEARD,
    CHEEK,
    CROW_FEET,
    FOREHEAD,
    FRONT,
    GRAIN,
    LINES,
    MOUSTACHE,
    NASOLABIAL,
    NOSE,
    PORES,
    THETA,
    UNDER_EYE,
    X,
    Y,
    Z,
)

BACK_OF_HEAD = 7.5
"""Below this height (decimetres) hardly anything of the far side of the head is on a picture."""


class Paint(NamedTuple):
    """Colours and amounts of one picture of one person, as `paint` takes them."""

    base: np.ndarray
    hair: np.ndarray
    brows: np.ndarray
    flush: np.ndarray
    moles: np.ndarray
    hairline: np.ndarray
    clothing: np.ndarray
    hat_rgb: np.ndarray
    mask_rgb: np.ndarray
    age: float  # 0 at 15 years .. 1 at 85
    grey: float
    freckles: float
    beard: float
    makeup: float
    brow_weight: float
    waves: float
    recession: float
    fringe: float
    glasses: int
    hat: int
    mask: int
    long_hair: bool


@njit(cache=True, fastmath=True, nogil=True)
def step(low, high, value):  # type: ignore[no-untyped-def]
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    position = min(max((value - low) / (high - low), 0.0), 1.0)
    return position * position * (3 - 2 * position)


@njit(cache=True, fastmath=True, nogil=True)
def hairline_height(x, theta, traits, recession, fringe, long_hair):  # type: ignore[no-untyped-def]
    """Return the height (decimetres) above which the head at cylinder angle `theta` carries hair.

    Forehead, recess at the temples, sideburn before the ear, arch over the ear, nape: one continuous line.
    """
    side = abs(theta)
    line = 8.02 + 0.05 * traits[0] + 0.5 * recession * step(1.1, 0.3, side)
    line -= (0.42 + 0.06 * traits[1]) * min(max(side - 0.35, 0.0), 0.6) ** 1.3
    line += 0.02 * math.cos(x * (6 + traits[2]) + traits[3])
    line -= 0.34 * fringe * step(0.80, 0.45, side)
    line += (7.18 - line) * step(0.86, 1.10, side)
    if long_hair:  # falls over ears and neck
        return line - 2.6 * step(0.88, 1.06, side)
    line += 0.26 * step(1.12, 1.28, side)
    return line - 1.0 * step(1.62, 2.15, side)


@njit(cache=True, fastmath=True, nogil=True)
def hat_height(theta, hat):  # type: ignore[no-untyped-def]
    """Return the height (decimetres) above which a beanie (1) or a hood (2) covers the head at angle `theta`."""
    side = abs(theta)
    if hat == 1:
        return 7.80 - 0.36 * step(0.7, 2.2, side)
    return 7.92 - 0.5 * step(0.45, 0.88, side) - 3.0 * step(0.84, 1.0, side)  # an oval around the face


@njit(cache=True, fastmath=True, nogil=True)
def paint(place, albedo, tones, needed, visible, eye_x, eye_y, spec, out):  # type: ignore[no-untyped-def]
    """Paint the `needed` texels of a (t, t, 4) texture: linear RGB and how much is hair or cloth (no skin gloss).

    The two rows of `tones` mix the smooth colour fields `albedo` (t, t, k) to lightness and redness of this person.
    Columns not marked in `visible` (t,) are on the far side of the head: below the crown they get one plain colour.
    """
    size = out.shape[0]
    wrinkle = min(max(spec.age - 0.32, 0.0), 1.0) * 1.5
    ink = 0.75
    for row in range(size):
        for column in range(size):
            if not needed[row, column]:
                continue
            p = place[row, column]
            if not visible[column] and p[Y] < BACK_OF_HEAD:
                plain = (
                    spec.clothing if p[Y] < 5.8 else (spec.hair if p[Y] > 6.4 and spec.recession < 1.5 else spec.base)
                )
                out[row, column, 0] = plain[0]
                out[row, column, 1] = plain[1]
                out[row, column, 2] = plain[2]
                out[row, column, 3] = 1.0
                continue
            low = high = np.float32(0.0)
            for k in range(albedo.shape[2]):
                low += tones[0, k] * albedo[row, column, k]
                high += tones[1, k] * albedo[row, column, k]
            x, y, theta, front = p[X], p[Y], p[THETA], p[FRONT]
            side, turn = abs(x), abs(theta)
            lightness = 1 + 0.085 * low + 0.02 * p[PORES] + spec.age * 0.035 * p[LINES]
            red = (
                (0.5 + 0.25 * spec.flush[0] + 0.9 * spec.makeup) * p[CHEEK]
                + (0.4 + 0.2 * spec.flush[1]) * p[NOSE]
                + 0.35 * high
            )
            r = spec.base[0] * lightness * (1 + 0.03 * red)
            g = spec.base[1] * lightness * (1 - 0.09 * red)
            b = spec.base[2] * lightness * (1 - 0.08 * red)
            if front > 0.01:
                dark = 0.16 * min(max(0.5 + 0.5 * spec.flush[2] + spec.age, 0.0), 2.0) * p[UNDER_EYE]
                if wrinkle > 0:
                    if p[FOREHEAD] > 0.01:
                        dark += (
                            wrinkle
                            * p[FOREHEAD]
                            * 0.08
                            * (0.5 + 0.5 * math.cos((y + 0.03 * math.cos(x * 5 + spec.flush[0])) * 40)) ** 2
                        )
                    if p[CROW_FEET] > 0.01:
                        dark += (
                            wrinkle * p[CROW_FEET] * 0.15 * (0.5 + 0.5 * math.cos((y - eye_y) / (side + 0.1) * 30)) ** 2
                        )
                    dark += wrinkle * 0.30 * p[NASOLABIAL]
                keep = 1 - min(dark, 0.8)
                r *= keep
                g *= keep
                b *= keep
                if spec.freckles > 0.03 and p[GRAIN] < 0.12 * spec.freckles:
                    w = 0.8 * min(1.0, p[CHEEK] + p[NOSE] + 0.3 * front) * step(6.6, 6.8, y)
                    r *= 1 - 0.22 * w
                    g *= 1 - 0.33 * w
                    b *= 1 - 0.40 * w
                for m in range(spec.moles.shape[0]):
                    radius = spec.moles[m, 2]
                    d = ((x - spec.moles[m, 0]) ** 2 + (y - spec.moles[m, 1]) ** 2) / (radius * radius)
                    if d < 9:
                        keep = 1 - 0.65 * front * math.exp(-d)
                        r *= keep
                        g *= keep
                        b *= keep
                if spec.makeup > 0.02:  # eye shadow
                    shadow = (
                        0.5
                        * spec.makeup
                        * math.exp(-(((side - eye_x) / 0.17) ** 2) - ((y - eye_y - 0.10) / 0.06) ** 2)
                        * front
                    )
                    r *= 1 - 0.5 * shadow
                    g *= 1 - 0.7 * shadow
                    b *= 1 - 0.5 * shadow
                u = (side - eye_x - 0.015 * spec.brows[0]) / (0.225 + 0.025 * spec.brows[1])
                if abs(u) < 1.05 and abs(y - eye_y - 0.22) < 0.3:
                    bend = 0.35 - 0.8 * (u - 0.22) ** 2 * (1.1 if u > 0.22 else 0.38)
                    middle = eye_y + 0.225 + 0.018 * spec.brows[2] + (0.05 + 0.018 * spec.brows[3]) * bend
                    if u < 0:
                        middle += 0.012 * spec.brows[3] * u
                    width = max(
                        (0.040 + 0.012 * spec.brows[4]) * min(max(1.05 - 0.45 * u, 0.3), 1.4) * spec.brow_weight, 0.015
                    )
                    w = math.exp(-(((y - middle) / width) ** 2) * 1.2) * step(1.05, 0.8, abs(u)) * front
                    w *= min(max(0.74 + 0.12 * spec.brows[5], 0.35), 0.92) * (1 - 0.35 * spec.grey)
                    r += w * (ink * spec.hair[0] - r)
                    g += w * (ink * spec.hair[1] - g)
                    b += w * (ink * spec.hair[2] - b)
            if spec.beard > 0 and (p[BEARD] > 0 or p[MOUSTACHE] > 0):
                w = (
                    (p[BEARD] * (0.25 + 0.75 * spec.beard) + 0.9 * p[MOUSTACHE] * spec.beard)
                    * (0.75 + 0.5 * p[GRAIN])
                    * min(1.0, 0.35 + spec.beard)
                )
                w = min(1.0, w)
                r += w * (0.85 * spec.hair[0] - r)
                g += w * (0.85 * spec.hair[1] - g)
                b += w * (0.85 * spec.hair[2] - b)
            cloth = 0.0
            if spec.recession < 1.5:
                line = hairline_height(x, theta, spec.hairline, spec.recession, spec.fringe, spec.long_hair)
                cloth = step(-0.05, 0.06, y - line)
                if cloth > 0:
                    wave = math.sin(
                        theta * 84 + (1.5 + 5 * spec.waves) * math.sin(y * (3 + 9 * spec.waves)) + 2.5 * low
                    )
                    shine = (0.80 + 0.24 * (0.5 + 0.5 * wave)) * (0.9 + 0.22 * p[GRAIN])
                    r += cloth * (spec.hair[0] * shine - r)
                    g += cloth * (spec.hair[1] * shine - g)
                    b += cloth * (spec.hair[2] * shine - b)
            if spec.hat > 0:
                rim = hat_height(theta, spec.hat)
                w = step(-0.025, 0.025, y - rim)
                if w > 0:
                    if spec.hat == 1:  # knitted: a turned-up band, ribs
                        knit = (0.80 + 0.25 * (0.5 + 0.5 * math.sin(theta * 70))) * (0.72 if y < rim + 0.22 else 1.0)
                    else:  # soft folds around the face
                        knit = 0.88 + 0.14 * math.sin(turn * 16 + 1.5 * low)
                    r += w * (spec.hat_rgb[0] * knit - r)
                    g += w * (spec.hat_rgb[1] * knit - g)
                    b += w * (spec.hat_rgb[2] * knit - b)
                    cloth = max(cloth * (1 - w), w)
            if spec.mask > 0 and turn < 1.35:
                upper = 6.99 - 0.20 * step(0.10, 0.5, side) + 0.20 * step(0.45, 1.0, side)
                w = step(-0.02, 0.02, upper - y) * step(6.05, 6.12, y) * step(1.3, 1.15, turn)
                fold = 1 - 0.12 * step(0.5, 1.0, math.cos(y * 45.0))
                r += w * (spec.mask_rgb[0] * fold - r)
                g += w * (spec.mask_rgb[1] * fold - g)
                b += w * (spec.mask_rgb[2] * fold - b)
                cloth = max(cloth, w)
            if spec.glasses > 0 and abs(y - eye_y) < 0.4 and p[Z] > 0.1:
                gx, gy = abs(side - eye_x - 0.01) / 0.245, abs(y - eye_y + 0.02) / 0.175
                ring = (gx**3 + gy**3) ** (1 / 3.0)
                w = math.exp(-(((ring - 1) / 0.13) ** 4)) * front
                if side < 0.09 and abs(y - eye_y - 0.04) < 0.025:
                    w = front
                if abs(y - eye_y - 0.03) < 0.03 and side > eye_x + 0.2:
                    w = max(w, step(0.1, 0.3, p[Z]))
                if spec.glasses == 2 and ring < 1.05:
                    w = front
                w *= 0.92
                r += w * (0.03 - r)
                g += w * (0.03 - g)
                b += w * (0.035 - b)
            collar = 5.80 - 0.22 * math.exp(-((x / 0.4) ** 2)) * step(0.0, 0.6, p[Z])
            w = step(0.015, -0.015, y - collar)
            if w > 0:
                r += w * (spec.clothing[0] - r)
                g += w * (spec.clothing[1] - g)
                b += w * (spec.clothing[2] - b)
                cloth = max(cloth, w)
            out[row, column, 0] = min(max(r, 0.0), 1.0)
            out[row, column, 1] = min(max(g, 0.0), 1.0)
            out[row, column, 2] = min(max(b, 0.0), 1.0)
            out[row, column, 3] = cloth


@njit(cache=True, fastmath=True, nogil=True)
def hair_lift(rest, angle, material, room, spec, volume, out):  # type: ignore[no-untyped-def]
    """Write how far (decimetres) each vertex, at cylinder angle `angle`, moves outwards for hair, hat and cap."""
    for i in range(rest.shape[0]):
        out[i] = 0.0
        if material[i] != 0:
            continue
        x, y = rest[i, 0], rest[i, 1]
        theta = angle[i]
        lift = 0.0
        if spec.recession < 1.5:
            above = y - hairline_height(x, theta, spec.hairline, spec.recession, spec.fringe, False)
            # grows slowly above the line of short hair, so that the silhouette has no step; long hair has its own mesh
            lift = step(-0.06, 0.26, above) * (0.035 + 0.15 * volume) * (1 + 0.35 * step(7.8, 8.4, y))
            lift *= room[i]
        if spec.hat > 0:
            above = y - hat_height(theta, spec.hat)
            if spec.hat == 1:
                w, target = step(-0.04, 0.05, above), (0.13 if above < 0.22 else 0.10) + 0.10 * step(8.0, 8.5, y)
            else:  # by angle, not height: the edge of a hood falls almost straight down
                w, target = max(step(0.92, 1.20, abs(theta)), step(7.92, 8.15, y)), 0.13
            lift = lift * (1 - w) + target * w * (0.4 + 0.6 * room[i])
        out[i] = lift


def mix_paint(identity: Identity, nuisance: Nuisance, age_years: float) -> Paint:
    """Combine a person and a picture into the colours that `paint` takes."""
    male = identity.sex > 0.5
    age = float(np.clip((age_years - 15) / 70, 0, 1))
    adult = float(smoothstep(14, 20, np.array(age_years)))
    grey = float(np.clip((age - 0.42) * 2.2, 0, 1) * (0.5 + 0.5 * identity.baldness))
    hair = identity.hair_rgb * (1 - grey) + 0.58 * grey
    recession = float(np.clip(0.7 * male * (identity.baldness - 0.35) * (0.2 + 1.6 * age), 0, 0.9))
    if male and identity.baldness > 0.82 and age_years > 34 and nuisance.hair == "own":
        recession = 2.0  # nothing left to recede
    mood = nuisance.grooming - 0.5
    beard = identity.beard + 0.5 * mood * male if nuisance.beard is None else nuisance.beard
    makeup = identity.makeup * (0.5 + nuisance.grooming) if nuisance.makeup is None else nuisance.makeup
    fringe = identity.fringe + 0.5 * mood * (identity.fringe > 0.05) if nuisance.fringe is None else nuisance.fringe
    base = (
        np.array([0.86, 0.665, 0.565])
        * np.exp(-np.array([1.15, 1.75, 2.3]) * identity.melanin)
        * (1 + np.array([0.03, -0.02, -0.02]) * identity.redness)
    )
    return Paint(
        base=base,
        hair=hair,
        brows=identity.brows,
        flush=identity.flush,
        moles=identity.moles,
        hairline=identity.hairline,
        clothing=np.array(nuisance.clothing_rgb, np.float64),
        hat_rgb=np.array(nuisance.hat_rgb, np.float64),
        mask_rgb=np.array(nuisance.occluder_rgb, np.float64),
        age=age,
        grey=grey,
        freckles=identity.freckles,
        beard=float(np.clip(beard, 0, 1)) * adult,
        makeup=float(np.clip(makeup, 0, 1)) * adult,
        brow_weight=1.22 if male else 0.9,
        waves=identity.hair_waves,
        recession=recession,
        fringe=float(np.clip(fringe, 0, 1)),
        glasses=("none", "clear", "dark").index(nuisance.glasses),
        hat=("none", "beanie", "hood").index(nuisance.hat),
        mask=int(nuisance.occluder == "mask"),
        long_hair=recession < 1.5
        and nuisance.hat != "hood"
        and (identity.long_hair if nuisance.hair == "own" else nuisance.hair == "long"),
    )
