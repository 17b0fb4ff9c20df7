"""Named distributions of nuisance: what a source of pictures looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperface_lib.faces.expressions import PRESETS, expression
from hyperface_lib.faces.nuisance import FACE_UNITS, Nuisance


@dataclass(frozen=True)
class Profile:
    """Spread of each group of factors; 1 is the variety of photographs found in the wild."""

    name: str
    pose: float = 1.0
    wide_yaw_share: float = 0.0  # share of pictures with yaw uniform in +-85 degrees
    wide_age_share: float = 0.0  # share of pictures at an age uniform in 7 .. 80 years
    expression: float = 1.0
    light: float = 1.0
    colour: float = 1.0
    accessories: float = 1.0
    occluders: float = 1.0
    camera: float = 1.0
    alignment: float = 1.0


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "mild",
            pose=0.45,
            expression=0.6,
            light=0.5,
            colour=0.5,
            accessories=0.5,
            occluders=0.0,
            camera=0.4,
            alignment=0.6,
        ),
        Profile(
            "press",
            pose=0.75,
            expression=0.9,
            light=0.75,
            colour=0.8,
            accessories=0.8,
            occluders=0.3,
            camera=0.7,
            alignment=0.8,
        ),
        Profile("free"),
        Profile("wide", wide_yaw_share=0.28, wide_age_share=0.28),
        Profile(
            "clean", wide_yaw_share=0.10, wide_age_share=0.12, colour=0.6, accessories=0.8, occluders=0.0, camera=0.35
        ),
        Profile(
            "neutral",
            pose=0.0,
            expression=0.0,
            light=0.15,
            colour=0.2,
            accessories=0.0,
            occluders=0.0,
            camera=0.0,
            alignment=0.0,
        ),
    )
}


def draw(seed: int, profile: str) -> Nuisance:
    """Draw one picture; the same seed and profile give the same factors. Raises ValueError for an unknown profile."""
    if profile not in PROFILES:
        raise ValueError(f"Nuisance profile {profile!r} is unknown; the profiles are {', '.join(PROFILES)}.")
    p = PROFILES[profile]
    g = np.random.default_rng([seed, 0x2A3])
    normal, uniform, chance = g.normal, g.uniform, g.random

    yaw = normal(0, 20 * p.pose)
    if chance() < p.wide_yaw_share:
        yaw = uniform(-85, 85)
    age_years = float(uniform(7, 80)) if chance() < p.wide_age_share else None

    units: dict[str, float] = {}
    if chance() < 0.7 * p.expression:
        units = expression(list(PRESETS)[g.integers(len(PRESETS))], uniform(0.25, 1.0) * p.expression**0.5)
    if chance() < 0.5 * p.expression:
        unit = FACE_UNITS[g.integers(len(FACE_UNITS) - 1)]  # all but the tongue
        units[unit] = units.get(unit, 0.0) + uniform(0, 0.35)

    azimuth = normal(0, 50 * p.light) if chance() < 0.85 else uniform(-100, 100) * p.light
    hat = "none" if chance() > 0.07 * p.accessories else ("beanie", "hood")[g.integers(2)]
    glasses = "none" if chance() > 0.14 * p.accessories else ("dark" if chance() < 0.15 else "clear")
    hair = "own" if chance() > 0.15 else ("short", "long")[g.integers(2)]
    occluder = "none" if chance() > 0.05 * p.occluders else ("mask", "patch")[g.integers(2)]
    left, top = uniform(0.0, 0.75, 2)
    width, height = uniform(0.15, 0.38, 2)
    grey = uniform(0.05, 0.7)
    return Nuisance(
        yaw_degrees=float(yaw),
        pitch_degrees=float(normal(0, 8 * p.pose)),
        roll_degrees=float(normal(0, 5 * p.pose)),
        age_years=age_years,
        age_shift_years=float(normal(0, 3)),
        expression=units,
        gaze_right=float(normal(0, 0.022 * p.expression)),
        gaze_up=float(normal(0, 0.012 * p.expression)),
        light_azimuth_degrees=float(np.clip(azimuth, -115, 115)),
        light_elevation_degrees=float(uniform(25 - 30 * p.light, 25 + 35 * p.light)),
        light_strength=float(0.65 + 0.35 * p.light * uniform(-1, 1)),
        light_warmth=float(normal(0.02, 0.05 * p.colour)),
        ambient_strength=float(0.58 + 0.22 * p.light * uniform(-1, 1)),
        ambient_warmth=float(normal(0, 0.045 * p.colour)),
        ambient_gradient=tuple(float(x) for x in normal((0, 0.10, 0.06), 0.13 * p.light)),  # type: ignore[arg-type]
        glasses=glasses,
        hat=hat,
        hat_rgb=tuple(float(x) for x in np.clip(uniform(0.04, 0.5) * np.exp(normal(0, 0.35, 3)), 0.01, 0.8)),  # type: ignore[arg-type]
        hair=hair,
        grooming=float(chance()),
        occluder=occluder,
        occluder_rgb=tuple(float(x) for x in np.clip(uniform(0.05, 0.8) * np.exp(normal(0, 0.2, 3)), 0.01, 0.95)),  # type: ignore[arg-type]
        occluder_box=(float(left), float(top), float(left + width), float(top + height)),
        camera_metres=float(uniform(0.7, 1.8)),
        exposure_stops=float(normal(0, 0.22 * p.camera)),
        gamma_stops=float(normal(0, 0.16 * p.camera)),
        saturation=float(np.exp(normal(-0.05, 0.18 * p.colour))),
        warmth=float(normal(0, 0.035 * p.colour)),
        tint=float(normal(0, 0.02 * p.colour)),
        noise=float(abs(normal(0, 0.013 * p.camera)) + 0.002),
        blur_pixels=float(max(0.0, normal(0.0, 0.5) * p.camera)),
        resolution=float(1.0 if chance() > 0.15 * p.camera else uniform(0.45, 1.0)),
        black_and_white=bool(chance() < 0.04 * p.colour),
        background_rgb=tuple(float(x) for x in np.clip(grey * np.exp(normal(0, 0.13, 3)), 0.01, 0.9)),  # type: ignore[arg-type]
        clothing_rgb=tuple(float(x) for x in np.clip(uniform(0.03, 0.6) * np.exp(normal(0, 0.35, 3)), 0.01, 0.8)),  # type: ignore[arg-type]
        shift_x=float(normal(0, 0.010 * p.alignment)),
        shift_y=float(normal(0, 0.010 * p.alignment)),
        zoom=float(np.exp(normal(0, 0.018 * p.alignment))),
        tilt_degrees=float(normal(0, 1.5 * p.alignment)),
        seed=seed,
    )
