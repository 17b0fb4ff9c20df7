"""Pictures of a packing: progress against the bound, points on the sphere, principal components."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from hyperface_lib.plots.theme import BLACK, BLUE, GREY, VERMILION, color_of, new_figure, rounded

BALL_COLOR, NET_ON_BALL, NET_IN_THE_OPEN = "#DCE9F2", "#FFFFFF", "#C3D3DF"
MAX_CURVE_POINTS = 400


def packing_progress(
    histories: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    bound_degrees: float | None = None,
    references_degrees: Mapping[str, float] | None = None,
    log_steps: bool = False,
    title: str = "",
    x_title: str = "step",
    y_title: str = "smallest angle (degrees)",
) -> go.Figure:
    """Draw the smallest angle against the step for each named run, with the bound as a dashed line.

    `histories`: name -> (steps, angles in degrees). `references_degrees`: further level lines, such as a best-known
    code.
    """
    figure = new_figure(title, x_title, y_title)
    for index, (name, (steps, angles)) in enumerate(histories.items()):
        shown_steps, shown_angles = thinned(steps, angles)
        figure.add_trace(
            go.Scatter(
                x=shown_steps,
                y=rounded(shown_angles),
                mode="lines",
                name=name,
                line={"color": color_of(index), "width": 2.5},
            )
        )
    if bound_degrees is not None:
        _level(figure, bound_degrees, f"bound {bound_degrees:.2f}°", BLACK)
    for name, level in (references_degrees or {}).items():
        _level(figure, level, f"{name} {level:.2f}°", GREY)
    if log_steps:
        figure.update_xaxes(type="log")
    return figure


def sphere_figure(
    points: np.ndarray,
    *,
    contacts: bool = True,
    tolerance_degrees: float = 1.0,
    title: str = "",
    size: int = 560,
) -> go.Figure:
    """Draw points (n, 3) on a translucent unit sphere, with an edge between every pair in contact.

    Points on the far side are seen through the sphere, paler. Pairs are in contact when their angle is within
    `tolerance_degrees` of the smallest one.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"The sphere can be drawn for points of shape (n, 3), found {points.shape}.")
    figure = new_figure(title, width=size + 60, height=size)
    figure.add_trace(ball_trace())
    figure.add_trace(net_trace())
    edges = contact_edges(points, tolerance_degrees) if contacts else np.zeros((0, 2), np.int64)
    figure.add_trace(edge_trace(points, edges))
    figure.add_trace(point_trace(points))
    figure.update_layout(scene=plain_scene(), margin={"l": 0, "r": 0, "t": 50 if title else 5, "b": 5})
    figure.update_layout(showlegend=False, uirevision="keep")
    return figure


def ball_trace(radius: float = 0.98, around: int = 48) -> go.Mesh3d:
    """Return the translucent ball behind the points, a little smaller so that it hides none of them.

    `around`: how many corners its equator has. A mesh, because plotly refines a surface anew with every frame.
    """
    latitude, longitude = np.meshgrid(
        np.linspace(0, np.pi, around // 2 + 1), np.linspace(0, 2 * np.pi, around, endpoint=False), indexing="ij"
    )
    row, column = np.meshgrid(np.arange(around // 2), np.arange(around), indexing="ij")
    upper, upper_next = row * around + column, row * around + (column + 1) % around
    triangles = np.concatenate(
        [
            np.stack([upper, upper + around, upper_next], axis=-1).reshape(-1, 3),
            np.stack([upper_next, upper + around, upper_next + around], axis=-1).reshape(-1, 3),
        ]
    ).astype(np.int16)
    return go.Mesh3d(
        x=rounded(radius * np.cos(longitude) * np.sin(latitude), 3).ravel(),
        y=rounded(radius * np.sin(longitude) * np.sin(latitude), 3).ravel(),
        z=rounded(radius * np.cos(latitude), 3).ravel(),
        i=triangles[:, 0],
        j=triangles[:, 1],
        k=triangles[:, 2],
        color=BALL_COLOR,
        opacity=0.6,
        name="ball",
        hoverinfo="skip",
        lighting={"ambient": 1.0, "diffuse": 0.0, "specular": 0.0, "fresnel": 0.0},
    )


def net_trace(radius: float = 0.99, spacing_degrees: int = 30, chord_degrees: int = 10) -> go.Scatter3d:
    """Return the sphere's parallels and meridians, `spacing_degrees` apart, as one line of straight chords."""
    turn = np.radians(np.arange(0, 361, chord_degrees))
    circle = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=1)
    lines = []
    for degrees in range(spacing_degrees - 90, 90, spacing_degrees):
        latitude = np.radians(degrees)
        lines.append(circle * np.cos(latitude) + [0.0, 0.0, np.sin(latitude)])
    for degrees in range(0, 180, spacing_degrees):
        longitude = np.radians(degrees)
        lines.append(circle[:, :1] * [np.cos(longitude), np.sin(longitude), 0.0] + circle[:, 1:2] * [0.0, 0.0, 1.0])
    gap = np.full((1, 3), np.nan)
    net = rounded(radius * np.concatenate([part for line in lines for part in (line, gap)]), 3)
    return go.Scatter3d(
        x=net[:, 0],
        y=net[:, 1],
        z=net[:, 2],
        mode="lines",
        line={"color": NET_ON_BALL, "width": 2},
        name="net",
        hoverinfo="skip",
    )


def contact_edges(points: np.ndarray, tolerance_degrees: float = 1.0) -> np.ndarray:
    """Return index pairs (m, 2), first below second, whose angle is within the tolerance of the smallest."""
    points = np.asarray(points, dtype=np.float64)
    if len(points) < 2:
        return np.zeros((0, 2), np.int64)
    angles = np.degrees(np.arccos(np.clip(points @ points.T, -1.0, 1.0)))
    np.fill_diagonal(angles, np.inf)
    first, second = np.nonzero(np.triu(angles <= angles.min() + tolerance_degrees, 1))
    return np.stack([first, second], axis=1)


def edge_coordinates(points: np.ndarray, edges: np.ndarray, segments: int = 4) -> np.ndarray:
    """Return the broken line ((segments + 2) m, 3) of arcs on the sphere along every edge, a row of NaN after each."""
    if len(edges) == 0:
        return np.zeros((0, 3), np.float32)
    share = np.linspace(0.0, 1.0, segments + 1)[None, :, None]
    arcs = (1 - share) * points[edges[:, 0], None] + share * points[edges[:, 1], None]
    arcs /= np.maximum(np.linalg.norm(arcs, axis=2, keepdims=True), 1e-9)
    lines = np.full((len(edges), segments + 2, 3), np.nan, dtype=np.float32)
    lines[:, :-1] = arcs
    return np.round(lines.reshape(-1, 3), 4)


def edge_trace(points: np.ndarray, edges: np.ndarray) -> go.Scatter3d:
    """Return the contact graph as one line trace."""
    line = edge_coordinates(points, edges)
    return go.Scatter3d(
        x=line[:, 0],
        y=line[:, 1],
        z=line[:, 2],
        mode="lines",
        line={"color": VERMILION, "width": 3},
        name="contacts",
        hoverinfo="skip",
    )


def point_trace(points: np.ndarray, size: float = 5.0) -> go.Scatter3d:
    """Return the points (n, 3) as markers."""
    shown = rounded(points)
    return go.Scatter3d(
        x=shown[:, 0],
        y=shown[:, 1],
        z=shown[:, 2],
        mode="markers",
        marker={"size": size, "color": BLUE, "line": {"width": 0}},
        name="points",
        hovertemplate="point %{pointNumber}<extra></extra>",
    )


def plain_scene(reach: float = 1.05) -> dict[str, object]:
    """Return a scene without axes, all three directions drawn alike from -reach to reach."""
    hidden = {"visible": False, "range": [-reach, reach]}
    return {
        "xaxis": hidden,
        "yaxis": hidden,
        "zaxis": hidden,
        "aspectmode": "cube",
        "camera": {"eye": {"x": 0.95, "y": 0.95, "z": 0.65}},
    }


def principal_coordinates(points: np.ndarray, components: int = 3, basis: np.ndarray | None = None) -> np.ndarray:
    """Project points (n, d) on their leading principal directions, signs fixed so that frames do not flip.

    `basis`: (d, k) directions to use instead of the points' own, such as a gallery's.
    """
    points = np.asarray(points, dtype=np.float64)
    if basis is None:
        basis = principal_basis(points, components)
    return points @ np.asarray(basis, dtype=np.float64)[:, :components]


def principal_basis(points: np.ndarray, components: int = 3) -> np.ndarray:
    """Return the leading principal directions (d, k) of points, each with its largest entry positive."""
    points = np.asarray(points, dtype=np.float64)
    centered = points - points.mean(axis=0)
    directions = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :components]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    return directions * np.where(largest < 0, -1.0, 1.0)


def thinned(
    steps: Sequence[float] | np.ndarray, values: Sequence[float] | np.ndarray, keep: int = MAX_CURVE_POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Keep about `keep` of a curve's points, evenly spaced, the first and the last among them."""
    steps, values = np.asarray(steps), np.asarray(values, dtype=np.float64)
    if len(steps) <= keep:
        return steps, values
    chosen = np.unique(np.linspace(0, len(steps) - 1, keep).round().astype(np.int64))
    return steps[chosen], values[chosen]


def _level(figure: go.Figure, height: float, label: str, color: str) -> None:
    figure.add_hline(
        y=round(height, 4),
        line={"color": color, "dash": "dash", "width": 1.5},
        annotation={"text": label, "font": {"size": 13, "color": color}},
        annotation_position="top left",
    )
