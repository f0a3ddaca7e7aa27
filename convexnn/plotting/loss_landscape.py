"""The objective of networks over a plane of the space of their weights."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.ndimage import minimum_filter
from sklearn.utils import check_random_state, check_X_y

from ..checks import check_weights
from ..networks.points import as_point, matched
from .base import Display, outline, step_and_inputs

__all__ = ["LossLandscapeDisplay"]

#: Points of a straight line on which a wall is looked for.
_LINE = np.linspace(0.0, 1.0, 65)

#: A point's eight neighbours.
_AROUND = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])

#: Curvature, relative to the other one, below which it does not count as negative.
_FLAT = 1e-6


class LossLandscapeDisplay(Display):
    """Objective of networks over a plane of the space of their weights.

    The plane goes through one network in two random directions, normalised by filters
    [2]_ (:meth:`from_estimator`, :meth:`from_network`), or through three networks
    (:meth:`from_networks`). :meth:`plot` plots again. At each point the objective is
    that of :class:`~convexnn.ThreeLayerConvexRegressor` (three-layer paper [1]_, eq.
    4), where first layers of a Frobenius norm above 1 are scaled to 1; or that of
    :class:`~convexnn.ConvexReLURegressor`, for two layers.

    A plane is a small part of the space: a minimum in it need not be one in all
    directions, nor a wall between two networks one that cannot be walked around.

    Parameters
    ----------
    first, second : ndarray of shape (n_columns,) and (n_rows,)
        Coordinates of the grid, ascending.
    values : ndarray of shape (n_rows, n_columns)
        Objective at its points.
    points : dict of str to tuple, default=None
        Coordinates of networks to mark, by their names.
    walls : dict of tuple to float, default=None
        For two names the height of the wall between them: the largest objective on the
        straight line in the plane less the larger one of its ends.
    axis_names : tuple of str, default=("first direction", "second direction")
        Labels of the axes.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes and matplotlib.figure.Figure
        Those of the last plot.
    contours_ : matplotlib.contour.QuadContourSet
        Filled contours of the last plot.

    References
    ----------
    .. [1] T. Ergen and M. Pilanci, "Global Optimality Beyond Two Layers: Training Deep
       ReLU Networks via Convex Programs", ICML 2021, Figure 2.
    .. [2] H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, "Visualizing the Loss
       Landscape of Neural Nets", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ThreeLayerConvexRegressor
    >>> from convexnn.plotting import LossLandscapeDisplay
    >>> X = np.random.default_rng(0).standard_normal((20, 2))
    >>> y = np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0)
    >>> model = ThreeLayerConvexRegressor(n_units=4, random_state=0).fit(X, y)
    >>> display = LossLandscapeDisplay.from_estimator(
    ...     model, X, y, n_points=11, random_state=0
    ... )
    >>> display.values.shape, bool(np.isclose(display.values[5, 5], model.objective_))
    ((11, 11), True)
    >>> display.minima.tolist()
    [[0.0, 0.0]]
    """

    def __init__(
        self,
        first,
        second,
        values,
        *,
        points=None,
        walls=None,
        axis_names=("first direction", "second direction"),
    ):
        self.first = np.asarray(first, dtype=float)
        self.second = np.asarray(second, dtype=float)
        self.values = np.asarray(values, dtype=float)
        self.points = points or {}
        self.walls = walls or {}
        self.axis_names = axis_names
        expected = len(self.second), len(self.first)
        if self.values.shape != expected or min(expected) < 3:
            raise ValueError(
                "values must have one row for each of second and one column for each "
                f"of first, at least 3, got shape {self.values.shape} for {expected}."
            )

    @property
    def minima(self):
        """Inner points of the grid below all eight neighbours, (n_minima, 2)."""
        neighbours = minimum_filter(self.values, footprint=_AROUND)
        row, column = np.nonzero((self.values < neighbours)[1:-1, 1:-1])
        return np.column_stack([self.first[column + 1], self.second[row + 1]])

    @property
    def nonconvex_share(self):
        """Share of inner points at which some curvature in the plane is negative.

        The Hessian is that of second differences. A curvature counts if it is below
        -1e-6 times the magnitude of the other.
        """
        V = self.values
        across, up = np.diff(self.first)[0], np.diff(self.second)[0]
        xx = np.diff(V, 2, axis=1)[1:-1] / across**2
        yy = np.diff(V, 2, axis=0)[:, 1:-1] / up**2
        xy = V[2:, 2:] - V[2:, :-2] - V[:-2, 2:] + V[:-2, :-2]
        xy = xy / (4 * across * up)
        mean, radius = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        least, largest = mean - radius, np.abs(mean) + radius
        return float(np.mean(least < -_FLAT * largest))

    @classmethod
    def from_estimator(cls, estimator, X, y, **options):
        """Plot the plane through a trained network in two random directions.

        Parameters
        ----------
        estimator : estimator
            A fitted ConvexReLURegressor or ConvexReLURegressorCV of ReLU networks, or
            ThreeLayerConvexRegressor; or a Pipeline that ends with such a one.
        X, y, **options
            Of :meth:`from_network`, whose network and beta are the estimator's.

        Returns
        -------
        LossLandscapeDisplay
            The plotted display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it has no such network, or one without units, or a value is not as
            described.
        """
        network, X = step_and_inputs(estimator, X)
        as_point(network)  # Refuses what has no beta, too.
        beta = network.beta_ if hasattr(network, "beta_") else network.beta
        return cls.from_network(network, X, y, beta=beta, **options)

    @classmethod
    def from_network(
        cls,
        network,
        X,
        y,
        *,
        beta,
        sample_weight=None,
        extent=1.0,
        n_points=41,
        random_state=None,
        **options,
    ):
        """Plot the plane through a network in two random directions.

        A direction is Gaussian and normalised by filters (Li et al.): the weights that
        enter one unit (a column of the first layer with its bias, a vector w2, and all
        output weights together) get the norm that they have in the network. The
        output intercept stays. Equal distances in the plane are then equal relative
        changes of each unit's weights, whatever the network's scales.

        Parameters
        ----------
        network : fitted estimator, network or list of tuple (W1, w2, w3)
            What :func:`convexnn.networks.points.as_point` takes.
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Targets.
        beta : float
            Penalty, in (0, inf).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, ones by default.
        extent : float, default=1.0
            The plane is drawn from -extent to extent in both directions; at 1 the
            direction is as long as the weights.
        n_points : int, default=41
            Grid points in each direction, at least 3; an odd number has one at the
            network itself.
        random_state : int, RandomState instance or None, default=None
            Source of the directions.
        **options
            Of :meth:`plot`.

        Returns
        -------
        LossLandscapeDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If there is no unit, or a value is not as described.
        """
        point = as_point(network)
        _check_number("beta", beta, 0.0)
        _check_number("extent", extent, 0.0)
        plane = _Plane(point, X, y, beta, sample_weight)
        random_state = check_random_state(random_state)
        plane.axes = [point.draw_direction(random_state) for _ in range(2)]
        steps = np.linspace(-extent, extent, _checked_count(n_points))
        display = cls(steps, steps, plane.values(steps, steps))
        return display.plot(**options)

    @classmethod
    def from_networks(
        cls,
        networks,
        X,
        y,
        *,
        beta,
        sample_weight=None,
        margin=0.4,
        n_points=41,
        **options,
    ):
        """Plot the plane through three networks, and the walls between them.

        Networks that differ in the order of their units are the same, so units and
        sub-networks of the others are first put in the order in which their weights
        are nearest to the first network's; missing ones are zeros. (The other two need
        not be nearest to each other.) Coordinates are distances of weights, the first
        axis runs from the first network to the second.

        Parameters
        ----------
        networks : dict of str to network
            Three networks by their names, of the kinds of :meth:`from_network`.
        X, y, beta, sample_weight, n_points, **options
            Of :meth:`from_network`.
        margin : float, default=0.4
            What is drawn beyond the networks, relative to their distances.

        Returns
        -------
        LossLandscapeDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If there are not three networks of one kind and shape, they lie on a line,
            or a value is not as described.
        """
        if len(networks) != 3:
            raise ValueError(f"networks must be 3 by their names, got {len(networks)}.")
        _check_number("beta", beta, 0.0)
        _check_number("margin", margin, 0.0)
        points = matched([as_point(network) for network in networks.values()])
        plane = _Plane(points[0], X, y, beta, sample_weight)
        located = plane.span([point.vector() for point in points[1:]])
        size = located.max(axis=0) - located.min(axis=0)
        first, second = np.linspace(
            located.min(axis=0) - margin * size,
            located.max(axis=0) + margin * size,
            _checked_count(n_points),
        ).T
        named = dict(zip(networks, map(tuple, located.tolist()), strict=True))
        display = cls(
            *(first, second, plane.values(first, second)),
            points=named,
            walls={
                (a, b): plane.wall(np.array(named[a]), np.array(named[b]))
                for a, b in combinations(named, 2)
            },
            axis_names=("distance of weights", "distance across"),
        )
        return display.plot(**options)

    def plot(
        self, *, ax=None, title=None, limits=None, n_levels=25, cmap="viridis", bar=True
    ):
        """Draw filled contours at equal ratios of the objective.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; new axes by default.
        title : str, default=None
            Title of the axes.
        limits : tuple of float, default=None
            Smallest and largest objective of the colours, to compare planes; those of
            this one by default. Values outside have the colour of the nearer one.
        n_levels : int, default=25
            Number of contours.
        cmap : str or matplotlib colormap, default="viridis"
            Colours.
        bar : bool, default=True
            Draw a bar of colours.

        Returns
        -------
        LossLandscapeDisplay
            Itself, with `ax_`, `figure_` and `contours_`.

        Raises
        ------
        ValueError
            If the limits are not positive and ascending.
        """
        from matplotlib.colors import LogNorm
        from matplotlib.ticker import LogLocator

        low, high = _limits(self.values) if limits is None else limits
        if not 0 < low < high:
            raise ValueError(
                f"limits must be positive and ascending, got {(low, high)}."
            )
        ax = self._take_ax(ax, (4.6, 3.8))
        levels = np.geomspace(low, high, n_levels)
        values = np.clip(self.values, low, high)
        grid = self.first, self.second, values
        self.contours_ = ax.contourf(*grid, levels, norm=LogNorm(low, high), cmap=cmap)
        ax.contour(*grid, levels, colors="white", linewidths=0.3, alpha=0.5)
        for name, (x, y) in self.points.items():
            self._mark(ax, name, x, y)
        ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1], title=title)
        if bar:
            subs = (1.0, 2.0, 5.0) if high < 500 * low else (1.0,)
            made = ax.figure.colorbar(
                self.contours_, ax=ax, label="objective", ticks=LogLocator(subs=subs)
            )
            made.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            made.ax.minorticks_off()
        return self

    @staticmethod
    def _mark(ax, name, x, y):
        """Draw a network and its name, outlined to be seen anywhere."""
        ax.plot(x, y, "o", ms=5, color="white", mec="black", mew=0.8)
        ax.annotate(
            name,
            (x, y),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize="small",
            path_effects=outline(2.2),
        )


class _Plane:
    """A plane through a network, and the objective of the networks in it."""

    def __init__(self, centre, X, y, beta, sample_weight):
        self.centre, self.origin, self.axes = centre, centre.vector(), []
        self.X, self.y = check_X_y(X, y, dtype=np.float64, y_numeric=True)
        self.beta, self.sizes = beta, check_weights(sample_weight, self.X)
        n_features = len(centre.layers[0]) - centre.has_bias
        if self.X.shape[1] != n_features:
            raise ValueError(
                f"X must have the {n_features} features of the network, got "
                f"{self.X.shape[1]}."
            )

    def objective(self, place):
        """Return the objective at two coordinates."""
        vector = self.origin + place[0] * self.axes[0] + place[1] * self.axes[1]
        network = self.centre.at(vector).network()
        return network.objective(self.X, self.y, self.beta, self.sizes)

    def values(self, first, second):
        """Return the objective on a grid, one row for each of `second`."""
        return np.array([[self.objective((a, b)) for a in first] for b in second])

    def span(self, others):
        """Take orthonormal axes through two more networks; return all coordinates."""
        along, across = (vector - self.origin for vector in others)
        length = np.linalg.norm(along)
        along = along / (length if length > 0 else 1.0)
        share = along @ across
        across = across - share * along
        rest = np.linalg.norm(across)
        if not min(length, rest) > 1e-10 * max(length, rest, abs(share)):
            raise ValueError(
                "networks must not lie on one line; two of the three are equal, or "
                "one is between the others."
            )
        self.axes = [along, across / rest]
        return np.array([(0.0, 0.0), (length, 0.0), (share, rest)])

    def wall(self, start, end):
        """Return by how much the objective rises on the straight line."""
        values = [self.objective((1 - t) * start + t * end) for t in _LINE]
        return float(max(values) - max(values[0], values[-1]))


def _limits(values):
    """Return the range of the positive values, a little widened if it is a point."""
    positive = values[values > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (1.0, 1.0)
    return (low, high) if high > low else (low * 0.99, low * 1.01)


def _check_number(name, value, least):
    if not least < value < np.inf:
        raise ValueError(f"{name} must be in ({least:g}, inf), got {value!r}.")


def _checked_count(n_points):
    if int(n_points) != n_points or n_points < 3:
        raise ValueError(f"n_points must be an integer of at least 3, got {n_points}.")
    return int(n_points)
