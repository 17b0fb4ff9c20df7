"""One person, one picture: geometry, paint, light and camera put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperface_lib.faces import camera, skin
from hyperface_lib.faces.head import HAIR, load_head
from hyperface_lib.faces.identity import Identity
from hyperface_lib.faces.nuisance import Nuisance
from hyperface_lib.faces.raster import CYLINDER_AXIS_Z, close_hair, rasterise, vertex_normals
from hyperface_lib.faces.shading import Look, Surface, Visible, locate, shade
from hyperface_lib.faces.skin_maps import load_skin_maps

# A trace of a smile: the resting mesh looks grim.
REST_EXPRESSION = {"browOuterUpLeft": 0.10, "browOuterUpRight": 0.10, "mouthSmileLeft": 0.22, "mouthSmileRight": 0.22}
SUPERSAMPLING = 2
HIDDEN_BY_MASK = ("mouth", "jaw", "tongue")


class Renderer:
    """Draw aligned pictures of `size` pixels; keeps its buffers between pictures, so use one for each process."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.head = load_head()
        self.maps = load_skin_maps(160 if size <= 64 else 224)
        side = size * SUPERSAMPLING
        texels = self.maps.place.shape[0]
        self._depth = np.zeros((side, side), np.float32)
        self._triangle_at = np.zeros((side, side), np.int32)
        self._weight_b, self._weight_c = np.zeros_like(self._depth), np.zeros_like(self._depth)
        self._colour, self._alpha = np.zeros((side, side, 3), np.float32), np.zeros_like(self._depth)
        self._normals = np.zeros_like(self.head.rest)
        self._angle = np.arctan2(self.head.rest[:, 0], self.head.rest[:, 2] - CYLINDER_AXIS_Z)
        self._lift = np.zeros(self.head.vertex_count, np.float32)
        self._texture = np.zeros((texels, texels, 4), np.float32)
        self._needed = np.zeros((texels, texels), bool)
        texel_at = np.zeros((side, side, 2), np.float32)
        self._visible = Visible(self._triangle_at, self._weight_b, self._weight_c, texel_at)
        self._surface = Surface(
            self.head.triangles,
            self.head.triangle_material,
            self.head.rest,
            self.head.lips,
            self.head.mouth_cavity,
            self.head.occlusion,
            self.head.eye_centres,
        )
        self._without_hair = self.head.triangle_material != HAIR
        self._with_hair = np.ones(len(self.head.triangles), bool)

    def age_years(self, identity: Identity, nuisance: Nuisance) -> float:
        """Return the age on the picture in years, within what the head model covers."""
        age = identity.age_years + nuisance.age_shift_years if nuisance.age_years is None else nuisance.age_years
        return float(np.clip(age, 5, 85))

    def geometry(self, identities: Sequence[Identity], nuisances: Sequence[Nuisance]) -> np.ndarray:
        """Return the posed-to-be heads (b, v, 3) in head space: who, how old, which expression."""
        head = self.head
        coefficients = np.zeros((len(identities), len(head.basis)), np.float32)
        positive = np.array([p for _, p, _ in head.shape_pairs])
        negative = np.array([n for _, _, n in head.shape_pairs])
        for row, identity, nuisance in zip(coefficients, identities, nuisances, strict=True):
            age = self.age_years(identity, nuisance)
            head.macro_coefficients(row, identity.sex, age, identity.ancestry, identity.weight)
            grown = float(np.interp(age, [5, 20], [0.55, 1.0]))  # children differ less from each other
            shape = identity.shape * grown
            row[positive[shape > 0]] += shape[shape > 0] * np.where(negative[shape > 0] < 0, 0.7, 1.0)
            below = (shape < 0) & (negative >= 0)
            row[negative[below]] -= shape[below]
            for value, (left, right) in zip(identity.asymmetry, head.asymmetries, strict=True):
                row[left if value > 0 else right] += abs(value) * 0.6
            row[head.index["G:old"]] += np.clip((age - 50) / 35, 0, 1) * 0.45
            for unit, weight in {**REST_EXPRESSION, **nuisance.expression}.items():
                if nuisance.occluder != "mask" or not unit.startswith(HIDDEN_BY_MASK):
                    row[head.index[f"E:{unit}"]] += weight
        return (head.rest.reshape(-1) + coefficients @ head.basis).reshape(-1, head.vertex_count, 3)

    def place(self, points: np.ndarray, nuisance: Nuisance) -> camera.Placement:
        """Find the camera that aligns a bare head (v, 3): hair and hats do not move the landmarks."""
        head = self.head
        left_eye, right_eye = points[head.left_eye_vertices].mean(0), points[head.right_eye_vertices].mean(0)
        return camera.place(
            np.stack(
                [
                    right_eye,
                    left_eye,
                    points[head.nose_tip],
                    points[head.right_mouth_corner],
                    points[head.left_mouth_corner],
                ]
            ),
            nuisance,
        )

    def landmarks(self, identity: Identity, nuisance: Nuisance) -> np.ndarray:
        """Return the true 5 points (5, 2) in pixels, x then y, in the order of the ArcFace template."""
        return self.place(self.geometry([identity], [nuisance])[0], nuisance).landmarks * self.size

    def render(self, identities: Sequence[Identity], nuisances: Sequence[Nuisance]) -> np.ndarray:
        """Render b pictures: (b, size, size, 3) uint8."""
        heads = self.geometry(identities, nuisances)
        return np.stack(
            [self._draw(points, who, how) for points, who, how in zip(heads, identities, nuisances, strict=True)]
        )

    def _draw(self, points: np.ndarray, identity: Identity, nuisance: Nuisance) -> np.ndarray:
        head = self.head
        spec = skin.mix_paint(identity, nuisance, self.age_years(identity, nuisance))
        placement = self.place(points, nuisance)
        skin.hair_lift(
            head.rest, self._angle, head.vertex_material, head.hair_room, spec, identity.hair_volume, self._lift
        )
        vertex_normals(points, head.triangles, self._normals)
        points = points + self._normals * self._lift[:, None]
        vertex_normals(points, head.triangles, self._normals)

        rasterise(
            placement.screen(points, len(self._depth)),
            head.triangles,
            self._with_hair if spec.long_hair else self._without_hair,
            head.triangle_material,
            head.rest,
            float(0.80 + 0.10 * np.clip(identity.hairline[0], -1.5, 1.5)),
            float(6.2 - 1.2 * identity.hair_volume),
            self._depth,
            self._triangle_at,
            self._weight_b,
            self._weight_c,
        )
        if spec.long_hair:
            close_hair(
                self._triangle_at, self._weight_b, self._weight_c, head.triangle_material, self._depth.shape[0] // 20
            )
        locate(self._visible, self._surface, self._needed)
        self._paint(identity, spec, nuisance.yaw_degrees)
        shade(
            self._visible,
            self._surface,
            self._normals @ placement.turn.T,
            self._texture,
            mix_look(identity, nuisance, spec),
            self._colour,
            self._alpha,
        )
        return camera.develop(self._colour, self._alpha, nuisance, self.size)

    def _paint(self, identity: Identity, spec: skin.Paint, yaw_degrees: float) -> None:
        maps, texels = self.maps, len(self._texture)
        tones = np.stack([identity.albedo, np.roll(identity.albedo, 7)]).astype(np.float32) / np.float32(
            np.sqrt(len(identity.albedo))
        )
        visible = np.cos((np.arange(texels) + 0.5) / texels * 2 * np.pi - np.pi + np.radians(yaw_degrees)) > -0.45
        skin.paint(maps.place, maps.albedo, tones, self._needed, visible, maps.eye_x, maps.eye_y, spec, self._texture)


def mix_look(identity: Identity, nuisance: Nuisance, spec: skin.Paint) -> Look:
    """Combine a person and a picture into the colours and light that `shade` takes."""
    azimuth, elevation = np.radians([nuisance.light_azimuth_degrees, nuisance.light_elevation_degrees])
    direction = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    warm, ambient_warm = (np.exp([w, 0, -w]) for w in (nuisance.light_warmth, nuisance.ambient_warmth))
    ambient = np.zeros((3, 9))
    ambient[:, 0] = nuisance.ambient_strength * ambient_warm
    right, up, front = nuisance.ambient_gradient
    ambient[:, 1:4] = np.array([up, front, right]) * ambient_warm[:, None]
    natural = spec.base * (np.array([0.86, 0.60, 0.62]) + 0.05 * identity.lips)
    painted = np.array([0.50, 0.09, 0.12])
    return Look(
        lip=natural * (1 - 0.65 * spec.makeup) + painted * 0.65 * spec.makeup,
        lip_strength=0.75,
        iris=identity.iris_rgb,
        hair=spec.hair,
        hair_waves=identity.hair_waves,
        lashes=0.55 + 0.25 * (identity.sex < 0.5) + 0.2 * spec.makeup,
        gaze_right=nuisance.gaze_right,
        gaze_up=nuisance.gaze_up,
        dark_glasses=float(nuisance.glasses == "dark"),
        direction=direction,
        key=nuisance.light_strength * warm,
        ambient=ambient,
    )
