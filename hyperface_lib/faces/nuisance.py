"""How: every factor of one picture that has nothing to do with who is on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hyperface_lib.faces.expressions import PRESETS, expression

GLASSES = ("none", "clear", "dark")
HATS = ("none", "beanie", "hood")
HAIR_STYLES = ("own", "short", "long")
OCCLUDERS = ("none", "mask", "patch")
FACE_UNITS = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
"""The 52 face units an expression is made of."""

_SCALARS = (
    "yaw_degrees",
    "pitch_degrees",
    "roll_degrees",
    "age_shift_years",
    "gaze_right",
    "gaze_up",
    "light_azimuth_degrees",
    "light_elevation_degrees",
    "light_strength",
    "light_warmth",
    "ambient_strength",
    "ambient_warmth",
    "grooming",
    "camera_metres",
    "exposure_stops",
    "gamma_stops",
    "saturation",
    "warmth",
    "tint",
    "noise",
    "blur_pixels",
    "resolution",
    "shift_x",
    "shift_y",
    "zoom",
    "tilt_degrees",
)
_TRIPLES = ("ambient_gradient", "background_rgb", "clothing_rgb", "hat_rgb", "occluder_rgb")
_CHOICES: dict[str, tuple[str, ...]] = {"glasses": GLASSES, "hat": HATS, "hair": HAIR_STYLES, "occluder": OCCLUDERS}


@dataclass(frozen=True)
class Nuisance:
    """One picture: pose, age, expression, light, grooming, accessories and camera.

    Nothing here depends on the person: where a factor is None the person's own habit decides (age, beard, make-up,
    fringe), moved by `age_shift_years` and `grooming`. Colours are linear RGB in [0, 1].
    """

    yaw_degrees: float = 0.0  # positive: the face turns to the right of the picture
    pitch_degrees: float = 0.0  # positive: looks up
    roll_degrees: float = 0.0  # undone by the alignment, but the light does not turn with the head
    age_years: float | None = None
    age_shift_years: float = 0.0
    expression: Mapping[str, float] = field(default_factory=dict)  # face unit -> weight, or the name of a preset
    gaze_right: float = 0.0  # decimetres on the eyeball, about +-0.05
    gaze_up: float = 0.0
    light_azimuth_degrees: float = 30.0
    light_elevation_degrees: float = 30.0
    light_strength: float = 0.65
    light_warmth: float = 0.0
    ambient_strength: float = 0.6
    ambient_warmth: float = 0.0
    ambient_gradient: tuple[float, float, float] = (
        0.0,
        0.10,
        0.06,
    )  # brighter from the right, from above, from the front
    glasses: str = "none"
    hat: str = "none"
    hat_rgb: tuple[float, float, float] = (0.2, 0.2, 0.25)
    hair: str = "own"
    fringe: float | None = None
    beard: float | None = None
    makeup: float | None = None
    grooming: float = 0.5  # 0 .. 1: where in the person's own range beard, make-up and fringe are today
    occluder: str = "none"
    occluder_rgb: tuple[float, float, float] = (0.45, 0.6, 0.7)
    occluder_box: tuple[float, float, float, float] = (
        0.1,
        0.1,
        0.4,
        0.4,
    )  # left, top, right, bottom as shares of the picture; patch only
    camera_metres: float = 1.2
    exposure_stops: float = 0.0
    gamma_stops: float = 0.0
    saturation: float = 1.0
    warmth: float = 0.0
    tint: float = 0.0
    noise: float = 0.004
    blur_pixels: float = 0.0  # standard deviation at 64 pixels
    resolution: float = 1.0  # share of the picture's pixels a side that the camera had
    black_and_white: bool = False
    background_rgb: tuple[float, float, float] = (0.3, 0.32, 0.35)
    clothing_rgb: tuple[float, float, float] = (0.15, 0.2, 0.3)
    shift_x: float = 0.0  # alignment error as a share of the picture
    shift_y: float = 0.0
    zoom: float = 1.0
    tilt_degrees: float = 0.0
    seed: int = 0  # pixel noise and background pattern

    def __post_init__(self) -> None:
        units = self.expression
        if isinstance(units, str):
            units = expression(units)
        unknown = sorted(set(units) - set(FACE_UNITS))
        if unknown:
            raise ValueError(
                f"Nuisance.expression names face units that do not exist: {', '.join(unknown)}; see FACE_UNITS."
            )
        object.__setattr__(self, "expression", dict(units))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"Nuisance.{name} must be one of {', '.join(choices)}, found {getattr(self, name)!r}.")
        for name in _SCALARS:
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"Nuisance.{name} must be a finite number, found {getattr(self, name)!r}.")
        for name in _TRIPLES:
            if len(getattr(self, name)) != 3:
                raise ValueError(f"Nuisance.{name} must hold 3 numbers, found {getattr(self, name)!r}.")
        if self.age_years is not None and not 3 <= self.age_years <= 90:
            raise ValueError(f"Nuisance.age_years must be between 3 and 90 years or None, found {self.age_years!r}.")

    def __hash__(self) -> int:
        return hash(
            (
                self.seed,
                self.yaw_degrees,
                self.pitch_degrees,
                self.light_azimuth_degrees,
                tuple(sorted(self.expression.items())),
            )
        )

    @classmethod
    def random(cls, seed: int, profile: str = "free") -> Nuisance:
        """Draw the picture of this seed from a profile: mild, press, free, wide, clean, neutral (see `profiles`)."""
        from hyperface_lib.faces.profiles import draw

        return draw(int(seed), profile)

    def with_changes(self, **factors: Any) -> Nuisance:
        """Return a copy with some factors replaced."""
        return replace(self, **factors)

    @staticmethod
    def vector_names() -> tuple[str, ...]:
        """Name the entries of `to_vector`, in order."""
        names = list(_SCALARS)
        names += [f"{name}[{k}]" for name in _TRIPLES for k in range(3)]
        names += [f"occluder_box[{k}]" for k in range(4)]
        for name in ("age_years", "fringe", "beard", "makeup"):
            names += [f"{name}:given", name]
        names += [f"{name}={choice}" for name, choices in _CHOICES.items() for choice in choices[1:]]
        names += ["black_and_white"]
        return tuple(names + [f"expression:{unit}" for unit in FACE_UNITS])

    def to_vector(self) -> np.ndarray:
        """Return the factors as (k,) float32, everything but `seed`; entries are named by `vector_names`."""
        values = [float(getattr(self, name)) for name in _SCALARS]
        values += [float(x) for name in _TRIPLES for x in getattr(self, name)]
        values += [float(x) if self.occluder == "patch" else 0.0 for x in self.occluder_box]
        for name in ("age_years", "fringe", "beard", "makeup"):
            value = getattr(self, name)
            values += [0.0, 0.0] if value is None else [1.0, value / 50 if name == "age_years" else value]
        for name, choices in _CHOICES.items():
            values += [float(getattr(self, name) == choice) for choice in choices[1:]]
        values.append(float(self.black_and_white))
        values += [float(self.expression.get(unit, 0.0)) for unit in FACE_UNITS]
        return np.array(values, np.float32)

    @classmethod
    def from_vector(cls, vector: Sequence[float] | np.ndarray, seed: int = 0) -> Nuisance:
        """Rebuild a picture from `to_vector`; raise ValueError when the length is wrong."""
        names = cls.vector_names()
        if len(vector) != len(names):
            raise ValueError(f"A nuisance vector must have {len(names)} entries, found {len(vector)}.")
        value = dict(zip(names, (float(x) for x in vector), strict=True))
        factors: dict[str, Any] = {name: value[name] for name in _SCALARS}
        factors |= {name: tuple(value[f"{name}[{k}]"] for k in range(3)) for name in _TRIPLES}
        factors["occluder_box"] = tuple(value[f"occluder_box[{k}]"] for k in range(4))
        for name in ("age_years", "fringe", "beard", "makeup"):
            given = value[f"{name}:given"] > 0.5
            factors[name] = (value[name] * 50 if name == "age_years" else value[name]) if given else None
        for name, choices in _CHOICES.items():
            chosen = [choice for choice in choices[1:] if value[f"{name}={choice}"] > 0.5]
            factors[name] = chosen[0] if chosen else choices[0]
        factors["black_and_white"] = value["black_and_white"] > 0.5
        factors["expression"] = {
            unit: value[f"expression:{unit}"] for unit in FACE_UNITS if value[f"expression:{unit}"] != 0
        }
        return cls(**factors, seed=seed)


__all__ = ["FACE_UNITS", "GLASSES", "HAIR_STYLES", "HATS", "OCCLUDERS", "PRESETS", "Nuisance"]
