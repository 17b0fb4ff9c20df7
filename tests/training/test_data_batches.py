"""Shares of a batch make up the batch, and being ahead changes nothing."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from hyperface_lib.training import Recipe
from hyperface_lib.training.data import ArrayRows
from hyperface_lib.training.data_batches import Ahead, Batches, check_shares, share

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [0, 1, 7, 23])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_shares_cover_everything_once_and_evenly(count: int, parts: int) -> None:
    shares = [range(count)[share(count, index, parts)] for index in range(parts)]
    assert [one for part in shares for one in part] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_the_parts_of_all_processes_are_the_batch(processes: int, accumulation: int) -> None:
    recipe = Recipe(batch_size=23, seed=2)
    labels = np.arange(50) - 1
    members = [Batches(ArrayRows(IMAGES), recipe, rank, processes, accumulation) for rank in range(processes)]
    for step in (0, 3):
        parts = [member.parts(step, labels) for member in members]
        images, numbers = [], []
        for index in range(accumulation):
            of_all = [part[index] for part in parts]
            assert all(part.held == tuple(len(one.images) for one in of_all) for part in of_all)
            assert all(np.array_equal(part.labels, of_all[0].labels) for part in of_all)
            assert len(of_all[0].labels) == sum(of_all[0].held)
            images += [one.images for one in of_all]
            numbers.append(of_all[0].labels)
        assert torch.equal(torch.cat(images), members[0].whole(step))
        assert np.array_equal(np.concatenate(numbers), labels[members[0].rows(step)])


def test_things_are_made_ahead_in_order_and_once() -> None:
    made: list[int] = []
    second_wanted = threading.Event()

    def make(number: int) -> int:
        if number == 3:
            second_wanted.set()
        made.append(number)
        return number * number

    ahead = Ahead(make, 3, end=6)
    assert ahead[0] == 0
    assert second_wanted.wait(10)  # made without having been asked for
    assert [ahead[number] for number in range(1, 6)] == [1, 4, 9, 16, 25]
    ahead.close()
    assert made == list(range(6))


def test_an_error_is_raised_where_the_thing_is_asked_for() -> None:
    def make(number: int) -> int:
        if number == 1:
            raise ValueError("number 1 cannot be made")
        return number

    ahead = Ahead(make, 2, end=5)
    assert ahead[0] == 0
    with pytest.raises(ValueError, match="number 1 cannot be made"):
        ahead[1]
    ahead.close()


def test_without_being_ahead_there_is_no_thread() -> None:
    makers: list[str] = []
    ahead = Ahead(lambda number: makers.append(threading.current_thread().name), 0, end=3)
    ahead[0], ahead[1]
    assert makers == [threading.current_thread().name] * 2


def test_a_batch_too_small_for_its_shares_is_refused() -> None:
    check_shares(8, 2, 2)
    check_shares(1, 1, 1)
    with pytest.raises(ValueError, match="each of 2 processes in each of 2 parts, 8 in all, found 7"):
        check_shares(7, 2, 2)
