"""The shortest time of things that take turns."""

import time

from hyperface_lib.build.timing import shortest_seconds


def test_things_take_turns_and_the_shortest_time_counts() -> None:
    order: list[str] = []
    waits = iter([0.03, 0.0, 0.03])

    def slow_at_times() -> None:
        order.append("a")
        time.sleep(next(waits))

    found = shortest_seconds({"a": slow_at_times, "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b"] * 3
    assert list(found) == ["a", "b"]
    assert 0 <= found["a"] < 0.03
