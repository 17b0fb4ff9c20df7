"""How fast benchmarks are scored on this machine: `make bench`. Prints; asserts that results agree, nothing about time.

What is compared takes turns, and of each the shortest time counts. Memory is the peak above the scores themselves, in a
process of its own (this file run by its name).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import torch

from hyperface_lib.build.peak_memory import extra_bytes
from hyperface_lib.build.timing import shortest_seconds
from hyperface_lib.evaluation import (
    PairScores,
    bootstrap_verification,
    roc_of_scores,
    search_distractors,
    verify,
)

PAIRS, FOLDS, DIMENSION = 6000, 10, 512
IJB_PAIRS, IJB_GENUINE = 15_658_489, 19_557
IJB_RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
PROBES, DISTRACTORS, BLOCK = 1000, 1_000_000, 2048


def unit_rows(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (count, DIMENSION) float32 unit rows, made some at a time so that they take their own memory only."""
    rows = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, 50_000):
        part = rows[start : start + 50_000]
        rng.standard_normal(dtype=np.float32, out=part)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def scored_vectors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both sides of 6,000 pairs and which are of one person: 300 and 300 a fold, their cosines overlapping."""
    rng = np.random.default_rng(0)
    first, second = unit_rows(rng, PAIRS), unit_rows(rng, PAIRS)
    same = np.tile(np.repeat([True, False], PAIRS // FOLDS // 2), FOLDS)
    share = np.clip(rng.normal(0.2, 0.08, size=PAIRS), 0.0, 1.0).astype(np.float32)[:, None]
    second = np.where(same[:, None], share * first + np.sqrt(1 - share**2) * second, second)
    return first, second / np.linalg.norm(second, axis=1, keepdims=True), same


def value_at_false_accept_rate(distance: np.ndarray, same: np.ndarray, fold: np.ndarray, rate: float) -> float:
    """Return the share of genuine pairs accepted at the threshold that the other folds meet the rate with, a mean."""
    grid = np.arange(0, 4, 0.001)
    values = []
    for number in range(FOLDS):
        impostors, test = distance[(fold != number) & ~same], (fold == number) & same
        rates = np.array([np.mean(impostors < threshold) for threshold in grid])
        reached = int(np.argmax(rates >= rate))
        low, high = rates[reached - 1 : reached + 1]
        threshold = grid[reached - 1] + (grid[reached] - grid[reached - 1]) * (rate - low) / (high - low)
        values.append(float(np.mean(distance[test] < threshold)))
    return float(np.mean(values))


def by_the_protocol(
    first: np.ndarray, second: np.ndarray, same: np.ndarray
) -> tuple[list[float], list[float], float, float]:
    """Return the accuracy of each fold, true positive rates at 1e-1 ... 1e-4, the equal error rate and VAL@FAR=1e-3.

    Every fold and threshold is tried by itself, as the field's own code does it.
    """
    distance = np.square(first.astype(np.float64) - second).sum(axis=1)
    fold = np.repeat(np.arange(FOLDS), PAIRS // FOLDS)
    accuracies, rates = [], []
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        scores = [np.mean((distance[train] < threshold) == same[train]) for threshold in np.arange(0, 4, 0.01)]
        best = np.arange(0, 4, 0.01)[np.argmax(scores)]
        accuracies.append(float(np.mean((distance[test] < best) == same[test])))
    points = [(0.0, 0.0)]
    for threshold in np.unique(distance):
        accepted = distance <= threshold
        points.append((accepted[~same].mean(), accepted[same].mean()))
    curve = np.array(points)
    for rate in (1e-1, 1e-2, 1e-3, 1e-4):
        rates.append(float(curve[curve[:, 0] <= rate * (1 + 1e-12), 1].max()))
    gap = curve[:, 0] - 1 + curve[:, 1]
    high = int(np.argmax(gap >= 0))
    weight = -gap[high - 1] / (gap[high] - gap[high - 1])
    equal_error = float(curve[high - 1, 0] + weight * (curve[high, 0] - curve[high - 1, 0]))
    return accuracies, rates, equal_error, value_at_false_accept_rate(distance, same, fold, 1e-3)


def test_verification_of_6000_pairs() -> None:
    first, second, same = scored_vectors()

    def ours() -> object:
        return verify(np.einsum("pd,pd->p", first, second, dtype=np.float64), same, FOLDS)

    result = verify(np.einsum("pd,pd->p", first, second, dtype=np.float64), same, FOLDS)
    accuracies, rates, equal_error, value = by_the_protocol(first, second, same)
    assert np.allclose(result.fold_accuracies, accuracies) and np.allclose(list(result.tpr_at_fpr.values()), rates)
    assert np.isclose(result.eer, equal_error) and 0.5 < result.accuracy < 1
    assert np.isclose(result.val_at_far[1e-3].true_accept_rate, value, atol=1e-3)
    works = {"ours": ours, "protocol": lambda: by_the_protocol(first, second, same)}
    seconds = shortest_seconds(works, rounds=5)
    print(
        f"\nverification of {PAIRS} pairs of {DIMENSION}-d vectors, {FOLDS} folds: {1000 * seconds['ours']:.1f} ms, "
        f"threshold by threshold {1000 * seconds['protocol']:.0f} ms, "
        f"{seconds['protocol'] / seconds['ours']:.0f} x as fast (accuracy {100 * result.accuracy:.2f} %)"
    )
    people = np.arange(PAIRS) // 3
    scores = PairScores(
        "made",
        result.cosines,
        same,
        np.repeat(np.arange(FOLDS), PAIRS // FOLDS),
        np.arange(PAIRS),
        np.stack([people, np.where(same, people, np.roll(people, 300))], axis=1),
    )
    took = shortest_seconds({"intervals": lambda: bootstrap_verification(scores)}, rounds=3)["intervals"]
    print(f"intervals by 1,000 draws of its 2,000 people: {1000 * took:.0f} ms")


def ijb_scores() -> tuple[np.ndarray, np.ndarray]:
    """Return as many genuine and impostor scores as IJB-C has pairs, float32."""
    rng = np.random.default_rng(0)
    genuine = 0.6 + 0.2 * rng.standard_normal(IJB_GENUINE, dtype=np.float32)
    impostors = rng.standard_normal(IJB_PAIRS - IJB_GENUINE, dtype=np.float32)
    impostors *= np.float32(0.12)
    return genuine, impostors


def rates_of(genuine: np.ndarray, impostors: np.ndarray) -> list[float]:
    """Return the true positive rates at the six rates of the published tables."""
    curve = roc_of_scores(genuine, impostors)
    return [curve.true_positive_rate_at(rate) for rate in IJB_RATES]


def test_curve_of_15_million_scores() -> None:
    genuine, impostors = ijb_scores()
    seconds = shortest_seconds({"rates": lambda: rates_of(genuine, impostors)}, rounds=3)["rates"]
    memory = ""
    if sys.platform == "linux":
        done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
        memory = f", {json.loads(done.stdout.splitlines()[-1]) / 1e6:.0f} MB above the scores"
    rates = ", ".join(
        f"{100 * rate:.2f} % at {limit:g}" for rate, limit in zip(rates_of(genuine, impostors), IJB_RATES, strict=True)
    )
    print(f"\nsix rates of {IJB_PAIRS:,} scores, {IJB_GENUINE:,} genuine: {seconds:.2f} s{memory} ({rates})")


def bare_product(probes: torch.Tensor, distractors: torch.Tensor) -> None:
    """Multiply probes with every block of distractors, and look at nothing."""
    cosines = torch.empty(len(probes), BLOCK)
    for start in range(0, len(distractors), BLOCK):
        part = distractors[start : start + BLOCK]
        torch.mm(probes, part.T, out=cosines[:, : len(part)])


def test_search_among_a_million_distractors() -> None:
    rng = np.random.default_rng(0)
    gallery, distractors = unit_rows(rng, PROBES), unit_rows(rng, DISTRACTORS)
    probes = 0.5 * gallery + unit_rows(rng, PROBES)
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    ids = np.arange(PROBES)
    tensors = torch.from_numpy(probes), torch.from_numpy(distractors)
    found = search_distractors(probes, ids, gallery, ids, distractors[:50_000])
    whole = probes @ distractors[:50_000].T
    assert np.allclose(found.identification.impostor_cosines, whole.max(axis=1), atol=1e-6)
    works: dict[str, Callable[[], object]] = {
        "search": lambda: search_distractors(probes, ids, gallery, ids, distractors),
        "product": lambda: bare_product(*tensors),
    }
    seconds = shortest_seconds(works, rounds=3)
    print(
        f"\n{PROBES:,} probes among {DISTRACTORS:,} distractors of {DIMENSION} dimensions, {torch.get_num_threads()} "
        f"threads: {seconds['search']:.1f} s, "
        f"{seconds['search'] / seconds['product']:.2f} x the bare product ({seconds['product']:.1f} s)"
    )


if __name__ == "__main__":
    made = ijb_scores()
    rates_of(made[0][:1000], made[1][:1000])  # loads what is needed
    print(json.dumps(extra_bytes(lambda: rates_of(*made))))
