"""The hyperplane arrangement of two-dimensional rows, its cells and units in it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np
from sklearn.utils.validation import check_array

from ..programs.cells import Cells, activation_patterns, enumerate_cells
from .base import Display, step_and_inputs

__all__ = ["ArrangementDisplay"]

#: Largest number of rows drawn.
_MAX_ROWS = 50

#: Distance of the patterns from the centre, in a disc of radius 1.
_PATTERN_RADIUS = 0.8

#: Length of the longest unit.
_LONGEST_UNIT = 0.55

#: Distance of the names of the lines from the centre.
_NAME_RADIUS = 1.07

#: Width of a character of the patterns, in units of the disc.
_CHARACTER = 0.05

#: Colours of units with a positive and a negative output weight.
_SIGN_COLOURS = {1: "#1f4e9c", -1: "#b3261e"}


@dataclass(eq=False, repr=False)
class ArrangementDisplay(Display):
    """Cells of a hyperplane arrangement in the plane of hidden weights u.

    Every row x_i of two entries draws the line {u : x_i'u = 0}. The lines cut the
    plane into cells, and all u of a cell activate the same rows: that is the cell's
    activation pattern, written in it with one digit a row. The cell where no row is
    active is hatched, since a unit in it contributes nothing.

    Use :meth:`from_rows` or :meth:`from_estimator` to make a display; both list the
    cells once and plot them. :meth:`plot` plots again.

    Parameters
    ----------
    X : ndarray of shape (n_rows, 2)
        Rows that define the lines.
    cells : convexnn.programs.cells.Cells
        All cells of their arrangement but the empty one.
    row_names : list of str
        Name of each row.
    units : ndarray of shape (2, n_units), default=None
        Units to draw, one a column: hidden weights times the magnitude of the output
        weight, which are the vectors u of the convex program.
    signs : ndarray of shape (n_units,), default=None
        Signs of their output weights.
    axis_names : tuple of str, default=("$u_1$", "$u_2$")
        Labels of the axes.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes and matplotlib.figure.Figure
        Those of the last plot.
    wedges_ : list of matplotlib.patches.Wedge
        Cells in the order of `patterns`, then the empty one where there is one.

    See Also
    --------
    convexnn.programs.cells.enumerate_cells : Lists cells in any number of dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.plotting import ArrangementDisplay
    >>> X = np.array([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]])
    >>> display = ArrangementDisplay.from_rows(X)
    >>> display.patterns.shape
    (3, 3)
    >>> len(display.wedges_)
    4
    """

    X: np.ndarray
    cells: Cells
    row_names: list
    _: KW_ONLY
    units: np.ndarray | None = None
    signs: np.ndarray | None = None
    axis_names: tuple = ("$u_1$", "$u_2$")

    @property
    def patterns(self):
        """Activation patterns of all cells but the empty one, (n_rows, n_cells)."""
        return self.cells.patterns

    @property
    def gates(self):
        """A point inside each cell, of shape (2, n_cells)."""
        return self.cells.gates

    @classmethod
    def from_rows(cls, X, *, y=None, row_names=None, **options):
        """List the cells of the rows and plot them.

        Parameters
        ----------
        X : array-like of shape (n_rows, 2)
            Rows, at most 50.
        y : array-like of shape (n_rows,), default=None
            Targets, written behind the names of the rows.
        row_names : list of str, default=None
            Names of the rows; by default x_1, x_2 and so on.
        **options
            Of :meth:`plot`.

        Returns
        -------
        ArrangementDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `X` has not 2 columns, or more than 50 rows, or if `y` or `row_names`
            differ from it in length.
        """
        X = _check_rows(X, 2, "2 columns: arrangements are drawn in the plane")
        names = _name_rows(X, y, row_names)
        return cls(X, enumerate_cells(X), names).plot(**options)

    @classmethod
    def from_estimator(cls, estimator, X, *, y=None, row_names=None, **options):
        """Plot the cells of the rows and a fitted network's units in them.

        A unit is drawn as the vector u that it has in the convex program, its hidden
        weights times the magnitude of its output weight. With an intercept the plane
        is that of a single weight and the bias.

        Parameters
        ----------
        estimator : ConvexReLURegressor
            Fitted, with activation "relu"; or a Pipeline that ends with such a one,
            whose other steps transform `X`.
        X : array-like of shape (n_rows, n_features)
            Rows, at most 50: of 2 columns, or of 1 with ``fit_intercept=True``.
        y, row_names, **options
            Of :meth:`from_rows`.

        Returns
        -------
        ArrangementDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `X`, `y` or `row_names` are not as described, or if the units have
            gates of their own (activation "gated_relu").
        """
        estimator, X = step_and_inputs(estimator, X)
        if hasattr(estimator, "gates_"):
            raise ValueError(
                "estimator must have activation='relu', got 'gated_relu': the cells of "
                "its units are given by gates_, not by their weights."
            )
        units, axis_names = estimator.coefs_[0], ("$u_1$", "$u_2$")
        if estimator.fit_intercept:
            X = _check_rows(X, 1, "1 column where the estimator has fit_intercept=True")
            X = np.column_stack([X, np.ones(len(X))])
            units = np.vstack([units, estimator.intercepts_[0]])
            axis_names = ("weight $u_1$", "bias $u_2$")
        else:
            X = _check_rows(
                X, 2, "2 columns where the estimator has fit_intercept=False"
            )
        output = estimator.coefs_[1][:, 0]
        display = cls(
            X,
            enumerate_cells(X),
            _name_rows(X, y, row_names),
            units=units * np.abs(output),
            signs=np.sign(output),
            axis_names=axis_names,
        )
        return display.plot(**options)

    def plot(self, *, ax=None, cmap="Pastel2"):
        """Plot the cells, their patterns, the lines, and the units if there are any.

        Patterns that do not fit into their cells are left out.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; new ones by default.
        cmap : str or matplotlib colormap, default="Pastel2"
            Colours of the cells.

        Returns
        -------
        ArrangementDisplay
            The display itself, with `ax_` and `figure_`.
        """
        import matplotlib.pyplot as plt

        ax = self._take_ax(ax, (5.6, 5.6))
        self._draw_cells(plt.get_cmap(cmap))
        self._draw_lines()
        if self.units is not None:
            self._draw_units()
        ax.set_aspect("equal")
        ax.set(
            xlim=(-1.3, 1.3),
            ylim=(-1.3, 1.3),
            xlabel=self.axis_names[0],
            ylabel=self.axis_names[1],
            xticks=[],
            yticks=[],
        )
        ax.spines[:].set_visible(False)
        return self

    def _draw_cells(self, cmap):
        from matplotlib.patches import Wedge

        rays = _rays(self.X)
        order = np.argsort(np.argsort(_angles(self.gates)))
        colours = [cmap(k % cmap.N) for k in order]
        gates = self.gates
        empty = -gates[:, ~activation_patterns(self.X, -gates).any(axis=0)]
        if empty.shape[1]:
            gates = np.column_stack([gates, empty[:, :1]])
            colours.append("none")
        patterns = activation_patterns(self.X, gates)
        self.wedges_ = []
        for pattern, gate, colour in zip(patterns.T, gates.T, colours, strict=True):
            start, stop = _sector(rays, gate)
            wedge = Wedge((0, 0), 1, np.degrees(start), np.degrees(stop), fc=colour)
            if not pattern.any():
                wedge.set(hatch="//", edgecolor="0.85", linewidth=0)
            self.wedges_.append(self.ax_.add_patch(wedge))
            self._write_pattern(pattern, start, stop)

    def _write_pattern(self, pattern, start, stop):
        box = None if pattern.any() else {"fc": "white", "lw": 0, "pad": 2}
        text = "".join("01"[int(active)] for active in pattern)
        middle, width = (start + stop) / 2, min(stop - start, np.pi)
        direction = np.array([np.cos(middle), np.sin(middle)])
        room = 2 * _PATTERN_RADIUS * np.sin(width / 2) if width < np.pi else 2.0
        # Upright where it fits beside the cell's sides, else along the ray.
        across = abs(direction[1]) * len(text) * _CHARACTER + abs(direction[0]) * 0.1
        length = len(text) * _CHARACTER
        radius, turned = _PATTERN_RADIUS, 0.0
        if not (across < 0.9 * room and length < 0.5):
            if not (room > 0.1 and length < 0.9):
                return
            radius, turned = 0.95 - length / 2, np.degrees(middle) % 360
            turned -= 180 if 90 < turned < 270 else 0
        style = {"ha": "center", "va": "center", "rotation_mode": "anchor"}
        self.ax_.text(*(radius * direction), text, rotation=turned, bbox=box, **style)

    def _draw_lines(self):
        """Draw each line once and name the rows that share it at its upper end."""
        groups = {}
        for row, name in zip(self.X, self.row_names, strict=True):
            if row.any():
                angle = np.arctan2(row[0], -row[1]) % np.pi
                # Lines an eighth of a degree apart are one line to the eye.
                groups.setdefault(round(angle * 1440 / np.pi) % 1440, (angle, []))[
                    1
                ].append(name)
        n_named = 16
        for angle, names in groups.values():
            end = np.array([np.cos(angle), np.sin(angle)])
            self.ax_.plot(*np.transpose([-end, end]), color="0.25", lw=1.2)
            if len(groups) <= n_named:
                self.ax_.text(
                    *(_NAME_RADIUS * end),
                    ", ".join(names),
                    ha=_beside(end[0], ("right", "center", "left")),
                    va=_beside(end[1], ("top", "center", "bottom")),
                    fontsize="small",
                )

    def _draw_units(self):
        from matplotlib.lines import Line2D

        norms = np.linalg.norm(self.units, axis=0)
        largest = norms.max(initial=0.0)
        for norm, unit, sign in zip(norms, self.units.T, self.signs, strict=True):
            if norm > 0:
                self.ax_.annotate(
                    "",
                    xy=_LONGEST_UNIT * unit / largest,
                    xytext=(0, 0),
                    arrowprops={
                        "arrowstyle": "-|>,head_width=0.25,head_length=0.5",
                        "color": _SIGN_COLOURS[int(sign)],
                        "lw": 2.2,
                        "shrinkA": 0,
                        "shrinkB": 0,
                    },
                )
        handles = [
            Line2D([], [], color=_SIGN_COLOURS[sign], lw=2.2, label=label)
            for sign, label in ((1, "output weight > 0"), (-1, "output weight < 0"))
            if (self.signs == sign).any()
        ]
        if handles:
            self.ax_.legend(
                handles=handles,
                loc="lower center",
                ncols=len(handles),
                frameon=False,
            )


def _check_rows(X, n_columns, allowed):
    """Return the rows as float64, or say what is wrong with them."""
    X = check_array(X, dtype=np.float64, input_name="X")
    if X.shape[1] != n_columns:
        raise ValueError(f"X must have {allowed}; got shape {X.shape}.")
    if len(X) > _MAX_ROWS:
        raise ValueError(
            f"X must have at most {_MAX_ROWS} rows to be drawn, got {len(X)}."
        )
    return X


def _name_rows(X, y, row_names):
    """Return the rows' names, with their targets where given."""
    for parameter, value in (("y", y), ("row_names", row_names)):
        if value is not None and len(value) != len(X):
            raise ValueError(
                f"{parameter} must have one entry for each of the {len(X)} rows of X, "
                f"got {len(value)}."
            )
    names = row_names
    if names is None:
        names = [f"$x_{{{i}}}$" for i in range(1, len(X) + 1)]
    if y is None:
        return list(names)
    return [f"{name} ($y={target:.3g}$)" for name, target in zip(names, y, strict=True)]


def _angles(columns):
    return np.arctan2(columns[1], columns[0])


def _rays(X):
    """Return the angles of the two rays of each row's line, sorted, in [-pi, pi]."""
    rows = X[X.any(axis=1)]
    line = np.stack([-rows[:, 1], rows[:, 0]])
    return np.sort(_angles(np.column_stack([line, -line])))


def _sector(rays, gate):
    """Return the angles of the rays on either side of a point inside a cell."""
    if not len(rays):
        return 0.0, 2 * np.pi
    angle = _angles(gate)
    following = np.searchsorted(rays, angle)
    start = rays[following - 1] - (2 * np.pi if following == 0 else 0)
    stop = rays[following % len(rays)] + (2 * np.pi if following == len(rays) else 0)
    return start, stop


def _beside(coordinate, choices):
    """Return the alignment that keeps a text outside the disc."""
    return choices[0 if coordinate < -0.3 else 2 if coordinate > 0.3 else 1]
