"""What one factor of the picture costs recognisers: a panel a factor, a line a recogniser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from hyperface_lib.evaluation import FactorCurve
from hyperface_lib.plots.theme import GREY, TEMPLATE_NAME, color_of, rounded

_UNITS = {
    "occlusion": "share of the crop covered",
    "low quality": "severity of low quality",
    "light": "severity of light from the side",
    "expression": "weight of an expression",
    "resolution": "share of the pixels a side",
    "blur_pixels": "blur (pixels of 64)",
}
_PANEL = 340  # pixels


@dataclass(frozen=True)
class FactorQuantity:
    """What of a curve is drawn: its name with the unit, and its values and standard errors (values,)."""

    name: str
    values: Callable[[FactorCurve], NDArray[np.float64]]
    errors: Callable[[FactorCurve], NDArray[np.float64] | None]
    level: float | None = None  # a line across: what guessing gives


ACCURACY = FactorQuantity(
    "accuracy at one threshold (%)", lambda c: 100 * c.accuracy, lambda c: 100 * c.standard_error, level=50.0
)
GENUINE_COSINE = FactorQuantity(
    "cosine, same person", lambda c: c.genuine_cosine, lambda c: c.genuine_cosine_std / np.sqrt(c.identities)
)
ACCEPTED = FactorQuantity("accepted at 1 % impostors (%)", lambda c: 100 * c.tpr_at_fpr_1e_2, lambda c: None)


def factor_panels(
    curves: Mapping[str, Sequence[FactorCurve]],
    quantity: FactorQuantity = ACCURACY,
    *,
    columns: int = 4,
    title: str = "",
) -> go.Figure:
    """Draw a quantity against each factor, a panel a factor, with standard errors as bars.

    `curves`: recogniser -> its curves; one without a curve of a factor is left out of that panel. Raises ValueError for
    no curve.
    """
    factors = list(dict.fromkeys(curve.factor for own in curves.values() for curve in own))
    if not factors:
        raise ValueError("A figure of factors needs at least one curve, found none.")
    columns = max(1, min(columns, len(factors)))
    rows = -(-len(factors) // columns)
    figure = make_subplots(
        rows=rows, cols=columns, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=0.22 / rows
    )
    named: set[str] = set()
    for number, (name, own) in enumerate(curves.items()):
        for curve in own:
            row, column = divmod(factors.index(curve.factor), columns)
            trace = _line(curve, quantity, name, color_of(number), showlegend=name not in named)
            figure.add_trace(trace, row=row + 1, col=column + 1)
            named.add(name)
    for place, factor in enumerate(factors):
        row, column = divmod(place, columns)
        figure.update_xaxes(title_text=_UNITS.get(factor, _spelled(factor)), row=row + 1, col=column + 1)
        if column == 0:
            figure.update_yaxes(title_text=quantity.name, row=row + 1, col=1)
        if quantity.level is not None:
            line = {"color": GREY, "dash": "dot", "width": 1}
            figure.add_hline(y=quantity.level, line=line, row=row + 1, col=column + 1)
    figure.update_layout(template=TEMPLATE_NAME, title_text=title or None, width=max(480, _PANEL * columns + 90))
    figure.update_layout(height=_PANEL * rows + 80, legend={"orientation": "h", "y": -0.28 / rows, "x": 0.0})
    return figure


def _line(curve: FactorCurve, quantity: FactorQuantity, name: str, color: str, *, showlegend: bool) -> go.Scatter:
    order = np.argsort(curve.values, kind="stable")
    errors = quantity.errors(curve)
    return go.Scatter(
        x=rounded(curve.values[order], 3),
        y=rounded(quantity.values(curve)[order], 3),
        error_y=None if errors is None else {"type": "data", "array": rounded(errors[order], 3), "thickness": 1.5},
        mode="lines+markers",
        name=name,
        legendgroup=name,
        showlegend=showlegend,
        line={"color": color, "width": 2.5},
    )


def _spelled(factor: str) -> str:
    """Turn "yaw_degrees" into "yaw (degrees)"."""
    words = factor.split("_")
    unit = words[-1] in ("degrees", "years", "stops", "metres", "pixels")
    return f"{' '.join(words[:-1])} ({words[-1]})" if unit else " ".join(words)
