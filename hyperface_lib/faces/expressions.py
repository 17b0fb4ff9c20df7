"""Named facial expressions as weights of the 52 face units."""

from __future__ import annotations

PRESETS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4},
    "laugh": {
        "mouthSmileLeft": 0.8,
        "mouthSmileRight": 0.8,
        "jawOpen": 0.28,
        "mouthUpperUpLeft": 0.6,
        "mouthUpperUpRight": 0.6,
        "mouthLowerDownLeft": 0.3,
        "mouthLowerDownRight": 0.3,
        "eyeSquintLeft": 0.5,
        "eyeSquintRight": 0.5,
        "cheekSquintLeft": 0.4,
        "cheekSquintRight": 0.4,
    },
    "grin": {
        "mouthSmileLeft": 0.9,
        "mouthSmileRight": 0.9,
        "mouthUpperUpLeft": 0.7,
        "mouthUpperUpRight": 0.7,
        "mouthLowerDownLeft": 0.6,
        "mouthLowerDownRight": 0.6,
        "jawOpen": 0.06,
    },
    "surprise": {
        "jawOpen": 0.5,
        "browInnerUp": 0.8,
        "browOuterUpLeft": 0.8,
        "browOuterUpRight": 0.8,
        "eyeWideLeft": 0.8,
        "eyeWideRight": 0.8,
    },
    "frown": {
        "browDownLeft": 0.9,
        "browDownRight": 0.9,
        "mouthFrownLeft": 0.8,
        "mouthFrownRight": 0.8,
        "mouthPressLeft": 0.4,
        "mouthPressRight": 0.4,
    },
    "disgust": {
        "noseSneerLeft": 0.8,
        "noseSneerRight": 0.8,
        "browDownLeft": 0.6,
        "browDownRight": 0.6,
        "mouthUpperUpLeft": 0.4,
        "mouthUpperUpRight": 0.4,
    },
    "squint": {"eyeSquintLeft": 0.8, "eyeSquintRight": 0.8},
    "blink": {"eyeBlinkLeft": 0.95, "eyeBlinkRight": 0.95},
    "pucker": {"mouthPucker": 0.8},
    "smirk": {"mouthSmileLeft": 0.7, "mouthDimpleLeft": 0.4, "mouthLeft": 0.3},
    "open": {"jawOpen": 0.4},
}


def expression(name: str, strength: float = 1.0) -> dict[str, float]:
    """Return the face-unit weights of a named expression, scaled by `strength`; an unknown name raises ValueError."""
    if name not in PRESETS:
        raise ValueError(f"Expression {name!r} is unknown; the named expressions are {', '.join(PRESETS)}.")
    return {unit: weight * strength for unit, weight in PRESETS[name].items()}
