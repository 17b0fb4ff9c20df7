"""Which people are support vectors of which."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from hyperface_lib.plots.margins.training import ToyState
from hyperface_lib.plots.theme import new_figure, rounded


def support_vector_shares(state: ToyState) -> NDArray[np.float64]:
    """Return (classes, classes): the share of row person's samples that have column person as support vector."""
    classes = state.vectors.shape[1]
    return np.stack([state.vectors[state.labels == person].mean(axis=0) for person in range(classes)])


def support_vector_map(state: ToyState, *, title: str = "") -> go.Figure:
    """Draw those shares in per cent; the diagonal is empty, for nobody is a support vector of oneself."""
    shares = 100 * support_vector_shares(state)
    np.fill_diagonal(shares, np.nan)
    names = [f"person {number}" for number in range(len(shares))]
    figure = new_figure(title, "support vector", "samples of", width=560, height=460)
    figure.add_trace(
        go.Heatmap(
            z=rounded(shares, 1),
            x=names,
            y=names,
            zmin=0,
            zmax=100,
            colorscale="Blues",
            colorbar={"title": "%"},
            hovertemplate="%{y}: %{z:.0f} % have %{x}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    return figure
