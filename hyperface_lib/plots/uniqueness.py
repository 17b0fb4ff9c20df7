"""A data set's identities: angles within and between them, how many are unique, and the worst ones to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from hyperface_lib.evaluation import AngleDistribution, DatasetScores
from hyperface_lib.plots.capacity import capacity_curves
from hyperface_lib.plots.leaks import Pictures, tile
from hyperface_lib.plots.pictures import show_images
from hyperface_lib.plots.theme import BLACK, color_of, new_figure, rounded, translucent


def angle_distributions(
    distributions: Mapping[str, AngleDistribution],
    *,
    marks_degrees: Mapping[str, float] | None = None,
    bin_degrees: float = 1.0,
    title: str = "",
) -> go.Figure:
    """Overlay densities of counted angles, one for each name, with thresholds as dashed levels.

    marks_degrees: name -> threshold. Distributions without angles are left out; raises ValueError where all are.
    """
    filled = {name: one for name, one in distributions.items() if len(one)}
    if not filled:
        raise ValueError("A figure of angles needs at least one distribution with angles, found none.")
    figure = new_figure(title, "angle (degrees)", "density", height=440)
    lowest, highest = 180.0, 0.0
    for number, (name, one) in enumerate(filled.items()):
        counts = one.coarse_counts(bin_degrees)
        used = np.flatnonzero(counts)
        part = slice(used[0], used[-1] + 1)
        middles = (np.arange(len(counts)) + 0.5) * bin_degrees
        trace = go.Bar(
            x=rounded(middles[part], 3),
            y=rounded(counts[part] / len(one) / bin_degrees, 6),
            width=bin_degrees,
            name=f"{name} ({len(one)})",
            marker={"color": translucent(color_of(number), 0.55), "line": {"color": color_of(number), "width": 0.5}},
        )
        figure.add_trace(trace)
        lowest, highest = min(lowest, middles[used[0]]), max(highest, middles[used[-1]])
    for name, angle in (marks_degrees or {}).items():
        figure.add_vline(
            x=round(angle, 2), line={"color": BLACK, "dash": "dash", "width": 1.5}, annotation={"text": name}
        )
    figure.update_xaxes(range=[max(0.0, lowest - 5), min(180.0, highest + 5)])
    figure.update_layout(barmode="overlay", bargap=0.0, legend={"orientation": "h", "y": -0.2, "x": 0.0})
    return figure


def genuine_impostor_angles(
    scores: DatasetScores, *, marks_degrees: Mapping[str, float] | None = None, title: str = ""
) -> go.Figure:
    """Draw the angles of two images of one identity and of two, and of two identities' centres."""
    series = {
        "one identity": scores.genuine,
        "two identities": scores.impostor,
        "two identities' centres": scores.centres,
    }
    return angle_distributions(series, marks_degrees=marks_degrees, title=title)


def unique_identity_curve(scores: DatasetScores, *, name: str = "data set", title: str = "") -> go.Figure:
    """Draw how many identities are unique at each threshold, counted, and how many there is room for."""
    return capacity_curves({name: scores.capacity}, scores.estimate, title=title)


def worst_identities(
    images: Pictures,
    labels: NDArray[Any],
    scores: DatasetScores,
    *,
    count: int = 6,
    each: int = 5,
    title: str = "",
) -> go.Figure:
    """Show the worst identities, a row each: some of its images, and at the right some of the identity nearest to it.

    images: uint8 by the rows that `labels` (n,) name. Misplaced images come first. Raises ValueError for labels of
    other images than were scored.
    """
    ids, own = np.asarray(labels), scores.by_identity
    if ids.shape != scores.misplaced.shape:
        raise ValueError(f"Labels must be those of the {scores.images} images scored, found shape {ids.shape}.")
    tiles, names = [], []
    for row in _without_mirrored(own.worst(len(own)), own.nearest)[:count]:
        for identity in (row, own.nearest[row]):
            rows = np.flatnonzero(ids == own.labels[identity])
            rows = rows[np.argsort(~scores.misplaced[rows], kind="stable")][:each]
            shown = [tile(images[int(number)]) for number in rows]
            tiles += shown + [np.full_like(shown[0], 255)] * (each + (identity == row) - len(shown))
        nearest = f"{own.nearest_degrees[row]:.1f}°"
        names.append(f"{own.labels[row]} | {own.labels[own.nearest[row]]}, {nearest}, {own.misplaced[row]} misplaced")
    title = title or "an identity, and the one nearest to it"
    return show_images(tiles, 2 * each + 1, row_labels=names, title=title, zoom=0.6)


def _without_mirrored(rows: NDArray[np.int64], nearest: NDArray[np.int64]) -> list[int]:
    """Leave out an identity that has stood at the right of its own nearest before: the row would show the same two."""
    shown: set[tuple[int, int]] = set()
    kept = []
    for row in rows.tolist():
        if (int(nearest[row]), row) not in shown:
            kept.append(row)
            shown.add((row, int(nearest[row])))
    return kept
