"""Renders behind a generator's interface are the renderer's own pictures, written as any data set is."""

from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.assets import data_folder
from hyperface_lib.faces import FaceWorld, Nuisance, identity_seeds
from hyperface_lib.synthesis import Generator, generate_dataset, image_seed, read_dataset
from hyperface_lib.synthesis.rendered_people import RenderedPeople

pytestmark = pytest.mark.skipif(
    not (data_folder() / "head" / "head.npz").is_file(), reason="the head model is missing: make models"
)
PEOPLE = identity_seeds("rendered", 3)


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """The renderer's rounding depends on what is rendered together: two grey levels are the same picture."""
    return first.shape == second.shape and int(np.abs(first.astype(int) - second.astype(int)).max()) <= 2


def test_it_is_a_generator_of_the_people_asked_for() -> None:
    people = RenderedPeople(PEOPLE)
    assert isinstance(people, Generator)
    frontal = Nuisance()
    drawn = people.sample(people.references.vectors[[2, 0]], seeds=5, nuisance=frontal)
    wanted = FaceWorld(64).render_batch([PEOPLE[2], PEOPLE[0]], [frontal, frontal])
    assert alike(drawn, wanted) and not alike(drawn, wanted[::-1])


def test_a_seed_draws_the_same_nuisance_alone_and_in_company() -> None:
    people = RenderedPeople(PEOPLE, profile="mild")
    together = people.sample(people.references, seeds=[7, 8, 9])
    alone = people.sample(people.references.vectors[1:2], seeds=[8])
    assert alike(together[1], alone[0])
    assert alike(alone[0], FaceWorld(64).render(PEOPLE[1], Nuisance.random(8, "mild")))
    assert not alike(alone[0], FaceWorld(64).render(PEOPLE[1], Nuisance.random(9, "mild")))
    as_vectors = np.stack([Nuisance.random(8, "mild").to_vector()])
    assert people.sample(people.references.vectors[1:2], seeds=[0], nuisance=as_vectors).shape == alone.shape


def test_a_data_set_of_renders_is_read_back_exactly(tmp_path: Path) -> None:
    people = RenderedPeople(PEOPLE)
    generate_dataset(people.references, people, tmp_path / "renders", images_per_identity=2, beta=0.0, seed=4)
    images, labels, manifest = read_dataset(tmp_path / "renders")
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert manifest["ids"] == [f"render-{person}" for person in PEOPLE]
    third = Nuisance.random(image_seed(4, 1, 0), "clean")
    assert alike(images[2], FaceWorld(64).render(PEOPLE[1], third))


def test_points_between_people_and_other_embedders_are_refused() -> None:
    people = RenderedPeople(PEOPLE)
    between = np.full((1, 3), 1 / np.sqrt(3), np.float32)
    with pytest.raises(ValueError, match="between people"):
        people.sample(between, seeds=0)
    with pytest.raises(ValueError, match="is needed"):
        people.sample(RenderedPeople([*PEOPLE[1:], PEOPLE[0]]).references, seeds=0)
    with pytest.raises(ValueError, match="different identity seeds"):
        RenderedPeople([1, 1])
    with pytest.raises(ValueError, match="one for each of 3"):
        people.sample(people.references, seeds=0, nuisance=[Nuisance()])
