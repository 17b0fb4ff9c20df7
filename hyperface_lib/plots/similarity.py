"""What a recogniser sees: histograms of cosines and angles, the spectrum of a gallery, flat maps of vectors."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from hyperface_lib.plots.theme import BLACK, GREY, color_of, new_figure, rounded, translucent


def similarity_histogram(
    genuine_cosines: np.ndarray,
    impostor_cosines: np.ndarray,
    *,
    threshold: float | None = None,
    bins: int = 60,
    title: str = "",
) -> go.Figure:
    """Draw the cosines of same-person and different-person pairs, with a second axis in degrees.

    Both inputs are 1-d arrays of cosines; each histogram is a density (area one). `threshold` is a cosine.
    """
    figure = new_figure(title, "cosine similarity", "density")
    edges = np.linspace(-1.0, 1.0, bins + 1)
    for index, (name, cosines) in enumerate((("same person", genuine_cosines), ("different people", impostor_cosines))):
        figure.add_trace(_density_bars(np.asarray(cosines), edges, name, color_of(index)))
    if threshold is not None:
        _mark(figure, threshold, f"threshold {threshold:.3f}", inside=True)
    _add_angle_axis(figure)
    figure.update_layout(barmode="overlay", bargap=0.0, legend={"x": 0.02, "y": 0.98})
    return figure


def angle_histograms(
    series: Mapping[str, np.ndarray],
    *,
    bins: int = 60,
    range_degrees: tuple[float, float] | None = None,
    mark_degrees: float | None = None,
    mark_label: str = "",
    title: str = "",
    x_title: str = "angle (degrees)",
) -> go.Figure:
    """Overlay densities of angles in degrees, one for each named series (target and non-target, before and after)."""
    if not series:
        raise ValueError("A histogram needs at least one series, found none.")
    values = [np.asarray(angles, dtype=np.float64).ravel() for angles in series.values()]
    low = min(float(angles.min()) for angles in values) if range_degrees is None else range_degrees[0]
    high = max(float(angles.max()) for angles in values) if range_degrees is None else range_degrees[1]
    edges = np.linspace(low, max(high, low + 1e-3), bins + 1)
    figure = new_figure(title, x_title, "density")
    for index, (name, angles) in enumerate(zip(series, values, strict=True)):
        figure.add_trace(_density_bars(angles, edges, name, color_of(index)))
    if mark_degrees is not None:
        _mark(figure, mark_degrees, mark_label or f"{mark_degrees:.2f} degrees")
    figure.update_layout(barmode="overlay", bargap=0.0, showlegend=len(values) > 1)
    return figure


def nearest_neighbour_histogram(
    angles_degrees: np.ndarray | Mapping[str, np.ndarray],
    *,
    bound_degrees: float | None = None,
    bins: int = 60,
    title: str = "",
) -> go.Figure:
    """Draw the angle from every point to its nearest other point, beside the bound no packing can pass."""
    series = angles_degrees if isinstance(angles_degrees, Mapping) else {"nearest neighbour": angles_degrees}
    return angle_histograms(
        series,
        bins=bins,
        mark_degrees=bound_degrees,
        mark_label="" if bound_degrees is None else f"bound {bound_degrees:.2f}°",
        title=title,
        x_title="angle to the nearest other point (degrees)",
    )


def spectrum(
    shares: np.ndarray | Mapping[str, np.ndarray],
    *,
    mark_dimension: float | None = None,
    title: str = "",
) -> go.Figure:
    """Draw the cumulative share of variance against the number of principal directions.

    `shares`: eigenvalues or variance shares in falling order, one array or one for each named set.
    """
    series = shares if isinstance(shares, Mapping) else {"gallery": shares}
    figure = new_figure(title, "principal directions kept", "share of variance (%)")
    for index, (name, values) in enumerate(series.items()):
        cumulative = 100.0 * np.cumsum(values) / np.sum(values)
        figure.add_trace(
            go.Scatter(
                x=np.arange(1, len(cumulative) + 1),
                y=rounded(cumulative, 2),
                mode="lines",
                name=name,
                line={"color": color_of(index), "width": 3},
            )
        )
    if mark_dimension is not None:
        _mark(figure, mark_dimension, f"effective dimension {mark_dimension:.1f}")
    figure.update_yaxes(range=[0, 102])
    return figure


def vector_map(
    layers: Mapping[str, np.ndarray],
    *,
    title: str = "",
    axis_name: str = "UMAP",
    point_size: float | Mapping[str, float] = 5,
    hover: Mapping[str, Sequence[str]] | None = None,
) -> go.Figure:
    """Scatter two-dimensional coordinates of vectors, one colour for each named layer (gallery, references).

    Every layer is (n, 2). Layers are drawn in the order given, later ones on top.
    """
    figure = new_figure(title, f"{axis_name} 1", f"{axis_name} 2", height=520)
    for index, (name, coordinates) in enumerate(layers.items()):
        points = np.asarray(coordinates)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"Layer {name!r} of a map must have shape (n, 2), found {points.shape}.")
        size = point_size[name] if isinstance(point_size, Mapping) else point_size
        figure.add_trace(
            go.Scattergl(
                x=rounded(points[:, 0], 3),
                y=rounded(points[:, 1], 3),
                mode="markers",
                name=f"{name} ({len(points)})",
                text=None if hover is None else list(hover.get(name, ())) or None,
                marker={"size": size, "color": color_of(index), "opacity": 0.75, "line": {"width": 0}},
            )
        )
    return figure


def _density_bars(values: np.ndarray, edges: np.ndarray, name: str, color: str) -> go.Bar:
    """Bars are counted here, so that a figure stores `bins` numbers and not every value."""
    values = values[np.isfinite(values)]
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    width = float(edges[1] - edges[0])
    return go.Bar(
        x=rounded((edges[:-1] + edges[1:]) / 2),
        y=rounded(counts / max(1, counts.sum()) / width),
        width=width,
        name=f"{name} ({len(values)})",
        marker={"color": translucent(color, 0.55), "line": {"color": color, "width": 0.5}},
    )


def _mark(figure: go.Figure, position: float, label: str, *, inside: bool = False) -> None:
    figure.add_vline(
        x=round(position, 4),
        line={"color": BLACK, "dash": "dash", "width": 1.5},
        annotation={"text": label, "font": {"size": 13}, "bgcolor": "rgba(255,255,255,0.8)"},
        annotation_position="top right" if inside else "top",
    )


def _add_angle_axis(figure: go.Figure) -> None:
    """A top axis that reads the same cosines in degrees."""
    degrees = np.array([0, 30, 45, 60, 75, 90, 105, 120, 150, 180])
    figure.add_trace(go.Scatter(x=[0], y=[None], xaxis="x2", showlegend=False, hoverinfo="skip", marker_color=GREY))
    figure.update_layout(
        xaxis={"range": [-1.02, 1.02]},
        xaxis2={
            "overlaying": "x",
            "side": "top",
            "range": [-1.02, 1.02],
            "tickvals": rounded(np.cos(np.radians(degrees))),
            "ticktext": [f"{angle}°" for angle in degrees],
            "showgrid": False,
            "title": {"text": "angle", "standoff": 5},
        },
        margin_t=95,
    )
