"""The house style: one plotly template, one set of colours, and the rounding that keeps notebooks small."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio

# Okabe and Ito's eight colours, told apart by readers with any common form of colour blindness.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
BLACK = "#222222"
GREY = "#8C8C8C"
COLORS: tuple[str, ...] = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)

TEMPLATE_NAME = "hyperface"

_AXIS = {
    "showgrid": True,
    "gridcolor": "#E6E6E6",
    "linecolor": "#444444",
    "showline": True,
    "ticks": "outside",
    "tickcolor": "#444444",
    "zeroline": False,
    "automargin": True,
    "title": {"standoff": 10},
}
_SCENE_AXIS = {"showbackground": False, "gridcolor": "#E6E6E6", "zeroline": False, "showspikes": False}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": "Open Sans, Helvetica, Arial, sans-serif", "size": 14, "color": "#222222"},
        "title": {"font": {"size": 17}, "x": 0.02, "xanchor": "left"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "colorway": list(COLORS),
        "colorscale": {"sequential": "Viridis"},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "scene": {"xaxis": _SCENE_AXIS, "yaxis": _SCENE_AXIS, "zaxis": _SCENE_AXIS},
        "legend": {"bgcolor": "rgba(255,255,255,0.8)"},
        "hoverlabel": {"font": {"size": 13}},
        "margin": {"l": 70, "r": 25, "t": 60, "b": 60},
        "width": 820,
        "height": 420,
    }
)
pio.templates[TEMPLATE_NAME] = TEMPLATE


def new_figure(
    title: str = "",
    x_title: str = "",
    y_title: str = "",
    *,
    width: int = 820,
    height: int = 420,
) -> go.Figure:
    """Start an empty figure in the house style; axis titles carry the unit in brackets."""
    figure = go.Figure(layout={"template": TEMPLATE_NAME, "width": width, "height": height})
    figure.update_layout(title_text=title or None, xaxis_title_text=x_title or None, yaxis_title_text=y_title or None)
    return figure


def color_of(index: int) -> str:
    """Return the colour of series number `index`, repeating after seven."""
    return COLORS[index % len(COLORS)]


def rounded(values: Sequence[float] | np.ndarray, digits: int = 4) -> np.ndarray:
    """Round to `digits` decimals in float32, the precision a figure needs in a stored notebook."""
    return np.round(np.asarray(values, dtype=np.float64), digits).astype(np.float32)


def translucent(color: str, opacity: float) -> str:
    """Turn "#RRGGBB" into an rgba() string of the given opacity (0 to 1)."""
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
