"""Light on the head: spherical-harmonic ambient light, one key light and gloss, compiled with numba."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from hyperface_lib.faces.raster import CYLINDER_AXIS_Z
from hyperface_lib.faces.skin_maps import TEXTURE_BOTTOM, TEXTURE_TOP

PUPIL_RADIUS, IRIS_RADIUS = 0.028, 0.073


class Look(NamedTuple):
    """Colours of lips, eyes and long hair, and the light of one picture."""

    lip: np.ndarray
    lip_strength: float
    iris: np.ndarray
    hair: np.ndarray
    hair_waves: float
    lashes: float
    gaze_right: float
    gaze_up: float
    dark_glasses: float
    direction: np.ndarray  # (3,) towards the key light
    key: np.ndarray  # (3,) its colour
    ambient: np.ndarray  # (3, 9) spherical harmonics


class Visible(NamedTuple):
    """What the z-buffer found: the triangle at each pixel (r, r), -1 for none, and its barycentric weights.

    `texel_at` (r, r, 2) is where skin lies on the texture, column then row, as `locate` writes it.
    """

    triangle_at: np.ndarray
    weight_b: np.ndarray
    weight_c: np.ndarray
    texel_at: np.ndarray


class Surface(NamedTuple):
    """The parts of the head model that colour and light need."""

    triangles: np.ndarray
    material: np.ndarray
    rest: np.ndarray
    lips: np.ndarray
    mouth_cavity: np.ndarray
    occlusion: np.ndarray
    eye_centres: np.ndarray


@njit(cache=True, fastmath=True, nogil=True)
def locate(visible, surface, needed):  # type: ignore[no-untyped-def]
    """Write where each pixel of skin lies on the texture, and mark in `needed` (t, t) the texels it is mixed from.

    A picture shows a third of its texture: only that has to be painted.
    """
    triangle_at, weight_b, weight_c = visible.triangle_at, visible.weight_b, visible.weight_c
    triangles, material, rest, texel_at = surface.triangles, surface.material, surface.rest, visible.texel_at
    rows, columns = triangle_at.shape
    texels = needed.shape[0]
    needed[:] = False
    for py in range(rows):
        for px in range(columns):
            t = triangle_at[py, px]
            if t < 0 or material[t] != 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            w1, w2 = weight_b[py, px], weight_c[py, px]
            w0 = 1 - w1 - w2
            rx = w0 * rest[a, 0] + w1 * rest[b, 0] + w2 * rest[c, 0]
            ry = w0 * rest[a, 1] + w1 * rest[b, 1] + w2 * rest[c, 1]
            rz = w0 * rest[a, 2] + w1 * rest[b, 2] + w2 * rest[c, 2]
            u = (math.atan2(rx, rz - CYLINDER_AXIS_Z) / (2 * math.pi) + 0.5) * texels - 0.5
            v = (TEXTURE_TOP - ry) / (TEXTURE_TOP - TEXTURE_BOTTOM) * texels - 0.5
            u = min(max(u, 0.0), texels - 1.001)
            v = min(max(v, 0.0), texels - 1.001)
            texel_at[py, px, 0], texel_at[py, px, 1] = u, v
            i, j = int(u), int(v)
            needed[j, i] = needed[j, i + 1] = needed[j + 1, i] = needed[j + 1, i + 1] = True


@njit(cache=True, fastmath=True, nogil=True)
def shade(visible, surface, normals, texture, look, out, alpha):  # type: ignore[no-untyped-def]
    """Write linear RGB (r, r, 3) and coverage (r, r) of the visible triangles."""
    triangle_at, weight_b, weight_c = visible.triangle_at, visible.weight_b, visible.weight_c
    triangles, material, rest = surface.triangles, surface.material, surface.rest
    lips, cavity, occlusion, eyes = surface.lips, surface.mouth_cavity, surface.occlusion, surface.eye_centres
    texel_at = visible.texel_at
    rows, columns = triangle_at.shape
    for py in range(rows):
        for px in range(columns):
            t = triangle_at[py, px]
            if t < 0:
                alpha[py, px] = 0.0
                out[py, px, 0] = out[py, px, 1] = out[py, px, 2] = 0.0
                continue
            alpha[py, px] = 1.0
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            w1, w2 = weight_b[py, px], weight_c[py, px]
            w0 = 1 - w1 - w2
            nx = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
            ny = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
            nz = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
            length = 1.0 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
            nx, ny, nz = nx * length, ny * length, nz * length
            rx = w0 * rest[a, 0] + w1 * rest[b, 0] + w2 * rest[c, 0]
            ry = w0 * rest[a, 1] + w1 * rest[b, 1] + w2 * rest[c, 1]
            rz = w0 * rest[a, 2] + w1 * rest[b, 2] + w2 * rest[c, 2]
            open_sky = w0 * occlusion[a] + w1 * occlusion[b] + w2 * occlusion[c]
            part = material[t]
            gloss, shininess = 0.0, 12.0
            if part == 0:
                u, v = texel_at[py, px, 0], texel_at[py, px, 1]
                i, j = int(u), int(v)
                fu, fv = u - i, v - j
                q0, q1, q2, q3 = (1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv
                red = (
                    q0 * texture[j, i, 0]
                    + q1 * texture[j, i + 1, 0]
                    + q2 * texture[j + 1, i, 0]
                    + q3 * texture[j + 1, i + 1, 0]
                )
                green = (
                    q0 * texture[j, i, 1]
                    + q1 * texture[j, i + 1, 1]
                    + q2 * texture[j + 1, i, 1]
                    + q3 * texture[j + 1, i + 1, 1]
                )
                blue = (
                    q0 * texture[j, i, 2]
                    + q1 * texture[j, i + 1, 2]
                    + q2 * texture[j + 1, i, 2]
                    + q3 * texture[j + 1, i + 1, 2]
                )
                cover = (
                    q0 * texture[j, i, 3]
                    + q1 * texture[j, i + 1, 3]
                    + q2 * texture[j + 1, i, 3]
                    + q3 * texture[j + 1, i + 1, 3]
                )
                lip = (w0 * lips[a] + w1 * lips[b] + w2 * lips[c]) * look.lip_strength * (1 - cover)
                red += lip * (look.lip[0] - red)
                green += lip * (look.lip[1] - green)
                blue += lip * (look.lip[2] - blue)
                inside = (w0 * cavity[a] + w1 * cavity[b] + w2 * cavity[c]) * (1 - cover)
                red += inside * (0.20 - red)
                green += inside * (0.05 - green)
                blue += inside * (0.05 - blue)
                gloss = (0.30 * (1 - cover) * (1 + 0.6 * lip) + 0.16 * cover) * (1 - inside)
                shininess = 14.0 + 10.0 * lip
                for k in range(2):  # lashes: a dark line just around each eyeball, stronger above
                    d = math.sqrt((rx - eyes[k, 0]) ** 2 + (ry - eyes[k, 1]) ** 2 + (rz - eyes[k, 2]) ** 2)
                    lash = (1 - min(max((d - 0.155) / 0.03, 0.0), 1.0)) * look.lashes
                    if ry < eyes[k, 1]:
                        lash *= 0.45
                    red *= 1 - 0.75 * lash
                    green *= 1 - 0.78 * lash
                    blue *= 1 - 0.78 * lash
            elif part == 1 or part == 2:
                dx = rx - eyes[part - 1, 0] - look.gaze_right
                dy = ry - eyes[part - 1, 1] - look.gaze_up
                d = math.sqrt(dx * dx + dy * dy)
                if d < PUPIL_RADIUS:
                    red = green = blue = 0.02
                elif d < IRIS_RADIUS:
                    f = 0.75 + 0.35 * (d - PUPIL_RADIUS) / (IRIS_RADIUS - PUPIL_RADIUS)
                    if d > IRIS_RADIUS * 0.88:
                        f *= 0.55
                    red, green, blue = look.iris[0] * f, look.iris[1] * f, look.iris[2] * f
                else:
                    red, green, blue = 0.74, 0.70, 0.68
                shadow = 1 - 0.45 * min(max((ry - eyes[part - 1, 1] - 0.02) / 0.08, 0.0), 1.0)  # the upper lid's
                keep = (1 - 0.93 * look.dark_glasses) * shadow
                red, green, blue = red * keep, green * keep, blue * keep
                gloss, shininess = 0.8 * (1 - 0.5 * look.dark_glasses), 60.0
            elif part == 3:
                red, green, blue = 0.86, 0.82, 0.74
                gloss, shininess = 0.3, 30.0
            elif part == 4:
                red, green, blue = 0.50, 0.20, 0.20
            else:
                wave = math.sin(rx * 90 + (1.5 + 5 * look.hair_waves) * math.sin(ry * (2.5 + 8 * look.hair_waves)))
                strand = (0.78 + 0.26 * (0.5 + 0.5 * wave)) * min(max(0.55 + 0.45 * (ry - 5.2) / 1.6, 0.55), 1.0)
                red, green, blue = look.hair[0] * strand, look.hair[1] * strand, look.hair[2] * strand
                gloss, shininess = 0.18, 16.0
            facing = nx * look.direction[0] + ny * look.direction[1] + nz * look.direction[2]
            shine = 0.0
            if facing > 0:  # Blinn half vector between the light and a camera far in front
                hx, hy, hz = look.direction[0], look.direction[1], look.direction[2] + 1
                half = 1 / (math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9)
                shine = (
                    float(np.float32(max((nx * hx + ny * hy + nz * hz) * half, 0.0)) ** np.float32(shininess)) * gloss
                )
            for channel in range(3):
                s = look.ambient[channel]
                light = (
                    s[0]
                    + s[1] * ny
                    + s[2] * nz
                    + s[3] * nx
                    + s[4] * nx * ny
                    + s[5] * ny * nz
                    + s[6] * (3 * nz * nz - 1)
                    + s[7] * nx * nz
                    + s[8] * (nx * nx - ny * ny)
                )
                light = max(light, 0.02) * open_sky
                wrap = (
                    0.25 if channel == 0 else 0.12
                )  # a warm terminator stands in for light that travels under the skin
                light += look.key[channel] * max((facing + wrap) / (1 + wrap), 0.0) * (0.45 + 0.55 * open_sky)
                value = red if channel == 0 else (green if channel == 1 else blue)
                out[py, px, channel] = value * light + shine * look.key[channel] * 0.35
