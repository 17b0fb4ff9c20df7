"""The pictures the generator learns from: rendered people of their own split, with every nuisance factor known."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.atomic import write_json
from hyperface_lib.faces import RENDERER_VERSION, FaceWorld, Nuisance, identity_seeds, nuisance_seed

PROFILE = "clean"
IMAGE_SIZE = 64
_CHUNK = 128  # people rendered between two notes of progress


@dataclass(frozen=True)
class RenderedSet:
    """People of one split, each in the same number of pictures; picture j of person i is row i * pictures + j."""

    name: str
    split: str
    people: int
    pictures: int


TRAINING = RenderedSet("training", "generator", 7000, 8)
# Eight pictures to enrol a person, eight more that say how alike real pictures are.
HELD_OUT = RenderedSet("heldout", "generator-heldout", 200, 16)


class PictureStore:
    """Images (n, size, size, 3) uint8 and nuisance vectors (n, k) of a rendered set, as files mapped into memory."""

    def __init__(self, folder: Path, rendered: RenderedSet) -> None:
        self.rendered = rendered
        self.count = rendered.people * rendered.pictures
        self._images = folder / f"{rendered.name}_images.npy"
        self._nuisance = folder / f"{rendered.name}_nuisance.npy"
        self._note = folder / f"{rendered.name}.json"

    @property
    def people_done(self) -> int:
        """How many people have been rendered so far; 0 when the files are of other settings."""
        if not self._note.is_file():
            return 0
        note = json.loads(self._note.read_text(encoding="utf-8"))
        return int(note["people_done"]) if note["settings"] == self._settings() else 0

    def images(self) -> NDArray[np.uint8]:
        """Open the images (n, size, size, 3). Raises FileNotFoundError unless all are rendered."""
        self._require()
        return np.load(self._images, mmap_mode="r", allow_pickle=False)

    def nuisance(self) -> NDArray[np.float32]:
        """Open the nuisance vectors (n, k). Raises FileNotFoundError unless all are rendered."""
        self._require()
        return np.load(self._nuisance, mmap_mode="r", allow_pickle=False)

    def render(self, workers: int | None, log: logging.Logger) -> None:
        """Render what is missing, some people at a time, so that an interruption costs seconds."""
        done = self.people_done
        if done == self.rendered.people:
            log.info("%s: %d pictures are there", self.rendered.name, self.count)
            return
        world = FaceWorld(size=IMAGE_SIZE)
        images, nuisance = self._open(done)
        pictures = self.rendered.pictures
        seeds = identity_seeds(self.rendered.split, self.rendered.people)
        started, first = time.time(), done
        while done < self.rendered.people:
            people = range(done, min(done + _CHUNK, self.rendered.people))
            rows = range(people.start * pictures, people.stop * pictures)
            wanted = [(seeds[person], picture) for person in people for picture in range(pictures)]
            drawn = [Nuisance.random(nuisance_seed(who, picture), PROFILE) for who, picture in wanted]
            images[rows.start : rows.stop] = world.render_batch([who for who, _ in wanted], drawn, workers=workers)
            nuisance[rows.start : rows.stop] = np.stack([one.to_vector() for one in drawn])
            images.flush()
            nuisance.flush()
            done = people.stop
            write_json(self._note, {"settings": self._settings(), "people_done": done})
            speed = (done - first) * pictures / (time.time() - started)
            log.info("%s: %d of %d people, %.0f img/s", self.rendered.name, done, self.rendered.people, speed)

    def _settings(self) -> dict[str, Any]:
        return {
            **asdict(self.rendered),
            "profile": PROFILE,
            "size": IMAGE_SIZE,
            "renderer_version": RENDERER_VERSION,
            "factors": list(Nuisance.vector_names()),
        }

    def _open(self, done: int) -> tuple[np.memmap, np.memmap]:
        """Open both files for writing: anew when nothing is done."""
        opened = []
        for path, shape, dtype in (
            (self._images, (self.count, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8),
            (self._nuisance, (self.count, len(Nuisance.vector_names())), np.float32),
        ):
            mode = "r+" if done else "w+"
            opened.append(np.lib.format.open_memmap(path, mode=mode, dtype=dtype, shape=shape))
        return opened[0], opened[1]

    def _require(self) -> None:
        if self.people_done != self.rendered.people:
            raise FileNotFoundError(
                f"{self._note}: expected all {self.rendered.people} people of {self.rendered.name!r} to be rendered, "
                f"found {self.people_done}: run the stage 'render'"
            )
