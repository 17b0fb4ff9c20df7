"""The toy by itself: people, training, support vectors, and the phenomena the lab shows."""

import numpy as np
import pytest
import torch

from hyperface_lib.plots.margins.picture import mixed
from hyperface_lib.plots.margins.settings import MarginSettings
from hyperface_lib.plots.margins.support_vectors import support_vector_map, support_vector_shares
from hyperface_lib.plots.margins.toy import INPUTS, toy_people
from hyperface_lib.plots.margins.training import ToyTraining


def test_people_are_the_same_for_one_seed_and_not_for_another() -> None:
    people = toy_people(4, 10, seed=3)
    assert people.inputs.shape == (40, INPUTS) and people.labels.tolist() == sorted([0, 1, 2, 3] * 10)
    assert torch.equal(people.inputs, toy_people(4, 10, seed=3).inputs)
    assert not torch.equal(people.inputs, toy_people(4, 10, seed=4).inputs)
    with pytest.raises(ValueError, match="2 or more classes of 1 or more pictures, found 1 and 40"):
        toy_people(1)


def test_angles_of_the_state_are_those_of_its_features_and_centres() -> None:
    training = ToyTraining(3, "arcface", MarginSettings(scale=16), classes=5)
    training.take(20)
    state = training.state()
    degrees = np.degrees(np.arccos(np.clip(state.features @ state.centres.T, -1, 1)))
    own = degrees[np.arange(len(degrees)), state.labels]
    degrees[np.arange(len(degrees)), state.labels] = np.inf
    assert np.allclose(state.target_degrees, own, atol=0.05)
    assert np.allclose(state.other_degrees, degrees.min(axis=1), atol=0.05)
    assert state.accuracy == (state.target_degrees < state.other_degrees).mean()


@pytest.mark.parametrize(("name", "margin"), [("norm-softmax", 0.0), ("arcface", 0.5), ("sv-arc", 0.5)])
def test_support_vectors_are_the_classes_nearer_than_the_own_with_its_margin(name: str, margin: float) -> None:
    training = ToyTraining(3, name, MarginSettings(scale=16, margin_radians=0.5), classes=5)
    training.take(15)
    state = training.state()
    cosines = (state.features @ state.centres.T).astype(np.float64)
    target = np.cos(np.radians(state.target_degrees) + margin)
    wanted = cosines > target[:, None]
    wanted[np.arange(len(wanted)), state.labels] = False
    assert wanted.any() and (wanted != state.vectors).mean() < 0.002  # float32 at the edge
    shares = support_vector_shares(state)
    assert shares.shape == (5, 5) and np.allclose(np.diag(shares), 0)
    assert shares[2, 4] == state.vectors[state.labels == 2, 4].mean()
    drawn = np.asarray(support_vector_map(state).data[0].z)
    assert np.isnan(np.diag(drawn)).all() and drawn[2, 4] == pytest.approx(100 * shares[2, 4], abs=0.06)


def test_looking_at_the_state_changes_nothing() -> None:
    looked, left = (ToyTraining(2, "adaface", MarginSettings(scale=16)) for _ in range(2))
    for _ in range(5):
        looked.take(2)
        looked.state()
    left.take(10)
    assert np.array_equal(looked.state().features, left.state().features)
    assert torch.equal(looked.head.norm_mean, left.head.norm_mean)


def test_a_wider_margin_brings_people_closer_to_their_centres() -> None:
    means = []
    for margin in (0.0, 0.25, 0.5):
        training = ToyTraining(2, "arcface", MarginSettings(scale=16, margin_radians=margin))
        training.take(300)
        means.append(training.state().target_degrees.mean())
    assert means[0] > means[1] > means[2]


@pytest.mark.parametrize(
    ("how", "moves_closer"), [({}, False), ({"monotonic": True}, True), ({"gradient": "detached"}, True)]
)
def test_beyond_the_turning_point_only_the_plain_exact_gradient_drives_samples_away(
    how: dict[str, object], moves_closer: bool
) -> None:
    head = MarginSettings(margin_radians=1.0, **how).head("arcface", classes=2)  # type: ignore[arg-type]
    turn = torch.deg2rad(torch.tensor([0.0, 150.0]))
    with torch.no_grad():
        # The other centre is where the sample is: its cosine is 1, and has no slope there.
        head.get_parameter("weight").copy_(torch.stack([turn.cos(), turn.sin()], dim=1))
    angle = turn[1].clone().requires_grad_()
    head(torch.stack([angle.cos(), angle.sin()])[None], torch.tensor([0])).backward()
    assert abs(float(angle.grad)) > 1 and (float(angle.grad) > 0) == moves_closer


def test_colours_are_mixed_with_white() -> None:
    assert mixed("#0072B2", 1.0) == "#0072B2" and mixed("#0072B2", 0.0) == "#FFFFFF"
    assert mixed("#000000", 0.5) == "#808080"


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="2 or 3 dimensions, found 4"):
        ToyTraining(4, "arcface", MarginSettings())
