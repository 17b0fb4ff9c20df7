"""Triangles to pixels: vertex normals, a z-buffer and ambient occlusion, compiled with numba."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

HAIR = 5
CYLINDER_AXIS_Z = 0.35
"""The head is unrolled on a cylinder around the vertical line x = 0, z = 0.35."""


@njit(cache=True, fastmath=True, nogil=True)
def vertex_normals(points, triangles, normals):  # type: ignore[no-untyped-def]
    """Write the area-weighted unit normals of (v, 3) points into `normals`."""
    normals[:] = 0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in range(3):
            i = triangles[t, k]
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(normals.shape[0]):
        scale = 1 / (math.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + 1e-12)
        normals[i, 0] *= scale
        normals[i, 1] *= scale
        normals[i, 2] *= scale


@njit(cache=True, fastmath=True, nogil=True)
def rasterise(screen, triangles, keep, material, rest, hair_opening, hair_end, depth, triangle_at, weight_b, weight_c):  # type: ignore[no-untyped-def]
    """Fill the z-buffer and, for each pixel, the triangle seen there and its barycentric weights.

    `screen` (v, 3) holds x, y in pixels and z (bigger is nearer). Hair triangles are two-sided and cut open in front:
    `hair_opening` is the half angle (radians) around the face, `hair_end` the height where the strands stop.
    """
    rows, columns = depth.shape
    depth[:] = -1e9
    triangle_at[:] = -1
    for t in range(triangles.shape[0]):
        if not keep[t]:
            continue
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area >= -1e-9 and (material[t] != HAIR or area < 1e-9):
            continue  # back face, as y points down on the screen
        left = max(0, math.ceil(min(ax, bx, cx) - 0.5))
        right = min(columns - 1, math.floor(max(ax, bx, cx) - 0.5))
        top = max(0, math.ceil(min(ay, by, cy) - 0.5))
        bottom = min(rows - 1, math.floor(max(ay, by, cy) - 0.5))
        inverse = 1.0 / area
        for y in range(top, bottom + 1):
            py = y + 0.5
            for x in range(left, right + 1):
                px = x + 0.5
                w1 = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) * inverse
                w2 = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) * inverse
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                if z <= depth[y, x]:
                    continue
                if material[t] == HAIR:
                    rx = w0 * rest[a, 0] + w1 * rest[b, 0] + w2 * rest[c, 0]
                    ry = w0 * rest[a, 1] + w1 * rest[b, 1] + w2 * rest[c, 1]
                    rz = w0 * rest[a, 2] + w1 * rest[b, 2] + w2 * rest[c, 2]
                    theta = abs(math.atan2(rx, rz - CYLINDER_AXIS_Z))
                    if ry < hair_end + 0.02 * math.sin(theta * 40.0):
                        continue
                    # an arch: open in front of the face, closing towards the crown
                    if theta < hair_opening * math.sqrt(min(max((8.25 - ry) / 0.45, 0.0), 1.0)):
                        continue
                depth[y, x] = z
                triangle_at[y, x] = t
                weight_b[y, x] = w1
                weight_c[y, x] = w2


@njit(cache=True, fastmath=True, nogil=True)
def close_hair(triangle_at, weight_b, weight_c, material, widest):  # type: ignore[no-untyped-def]
    """Fill gaps of up to `widest` pixels in a row that lie beside a strand: hair is drawn as strips that part."""
    rows, columns = triangle_at.shape
    for y in range(rows):
        last = -1  # the last covered column
        for x in range(columns):
            if triangle_at[y, x] < 0:
                continue
            if last >= 0 and 1 < x - last <= widest + 1:
                source = -1
                if material[triangle_at[y, last]] == HAIR:
                    source = last
                elif material[triangle_at[y, x]] == HAIR:
                    source = x
                if source >= 0:
                    for gap in range(last + 1, x):
                        triangle_at[y, gap] = triangle_at[y, source]
                        weight_b[y, gap] = weight_b[y, source]
                        weight_c[y, gap] = weight_c[y, source]
            last = x


def ambient_occlusion(
    points: np.ndarray, triangles: np.ndarray, keep: np.ndarray, directions: int = 96, resolution: int = 192
) -> np.ndarray:
    """Estimate for each vertex the cosine-weighted share of the sky it sees, from depth maps out of many directions.

    Returns (v,) float32 in [0, 1].
    """
    normals = np.zeros_like(points)
    vertex_normals(points, triangles, normals)
    seen, total = np.zeros(len(points)), np.full(len(points), 1e-6)
    depth = np.zeros((resolution, resolution), np.float32)
    triangle_at = np.zeros((resolution, resolution), np.int32)
    weight_b, weight_c = np.zeros_like(depth), np.zeros_like(depth)
    material = np.zeros(len(triangles), np.int32)
    centre = points.mean(0)
    golden = np.pi * (3 - 5**0.5)
    for k in range(directions):  # spherical Fibonacci directions
        height = 1 - 2 * (k + 0.5) / directions
        radius = math.sqrt(1 - height * height)
        direction = np.array([math.cos(golden * k) * radius, height, math.sin(golden * k) * radius])
        right = np.cross([0, 1, 0] if abs(height) < 0.95 else [1, 0, 0], direction)
        right /= np.linalg.norm(right)
        frame = np.stack([right, np.cross(direction, right), direction], 1)
        local = (points - centre) @ frame
        screen = np.stack([local[:, 0], -local[:, 1], local[:, 2]], 1)
        screen[:, :2] = screen[:, :2] * resolution / 4.4 + resolution / 2
        screen = screen.astype(np.float32)
        rasterise(screen, triangles, keep, material, points, 0.0, 0.0, depth, triangle_at, weight_b, weight_c)
        columns = np.clip(screen[:, 0].astype(int), 0, resolution - 1)
        rows = np.clip(screen[:, 1].astype(int), 0, resolution - 1)
        facing = np.clip(normals @ direction, 0, 1)
        seen += facing * (depth[rows, columns] < screen[:, 2] + 0.06)
        total += facing
    return (seen / total).astype(np.float32)
