"""How decoding goes: loss or error against iterations, and error against samples."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from .base import Display, fitted_step

__all__ = ["DecodingCurve", "DecodingDisplay"]


@dataclass(frozen=True)
class DecodingCurve:
    """A curve with a band about it.

    Attributes
    ----------
    label : str
        What the legend calls it.
    x, middle, low, high : ndarray of shape (n_points,)
        Abscissae, and what is drawn there.
    """

    label: str
    x: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, label, x, trials):
        """Return the mean of trials, from their smallest to their largest value."""
        x = np.asarray(x, dtype=float)
        return cls(label, x, trials.mean(0), trials.min(0), trials.max(0))


@dataclass(eq=False, repr=False)
class DecodingDisplay(Display):
    """Curves on a logarithmic scale, each with the range of its trials.

    Use :meth:`from_estimator`, :meth:`from_paths` or :meth:`from_recovery` to make a
    display; :meth:`plot` plots again.

    Parameters
    ----------
    curves : list of DecodingCurve
        What to draw.
    xlabel, ylabel : str
        Labels of the axes.
    log_x : bool, default=False
        Draw the abscissae on a logarithmic scale.
    floor : float, default=1e-24
        Smaller values are drawn there, zeros included.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes and matplotlib.figure.Figure
        Those of the last plot.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import CenteredGDDecoder
    >>> from convexnn.plotting import DecodingDisplay
    >>> rng = np.random.default_rng(0)
    >>> w, X = rng.uniform(-1, 1, 20), 5 * rng.standard_normal((40, 20))
    >>> y = np.maximum(w + X, 0).sum(axis=1)
    >>> decoder = CenteredGDDecoder(theta=1.0, random_state=0).fit(X, y)
    >>> display = DecodingDisplay.from_estimator(decoder)
    >>> display.ax_.get_xlabel(), display.ax_.get_yscale()
    ('iterations', 'log')
    """

    curves: list
    _: KW_ONLY
    xlabel: str
    ylabel: str
    log_x: bool = False
    floor: float = 1e-24

    @classmethod
    def from_estimator(cls, estimator, **options):
        """Plot the loss of a fitted decoder before and after each iteration.

        Parameters
        ----------
        estimator : CenteredGDDecoder or dict
            Fitted, or a Pipeline that ends with a fitted one; or a dictionary of such
            by label, for one curve each.
        **options
            Of :meth:`plot`.

        Returns
        -------
        DecodingDisplay
            The plotted display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If an estimator is not fitted.
        ValueError
            If an estimator keeps no path of losses, or if there is none.
        """
        named = estimator if isinstance(estimator, dict) else {"loss": estimator}
        paths = {
            label: [fitted_step(one, "loss_path_").loss_path_]
            for label, one in named.items()
        }
        return cls.from_paths(paths, ylabel="loss", **options)

    @classmethod
    def from_paths(cls, paths, *, ylabel="loss", **options):
        """Plot values against iterations, the mean of trials with their range.

        Parameters
        ----------
        paths : dict
            By label, a list of arrays, one a trial, with a value before and after each
            iteration. A trial that is shorter keeps its last value.
        ylabel : str, default="loss"
            What the values are.
        **options
            Of :meth:`plot`.

        Returns
        -------
        DecodingDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If there are no paths, or one without values.
        """
        curves = []
        for label, trials in _checked(paths, "paths").items():
            longest = max(map(len, trials))
            padded = [
                np.append(trial, np.full(longest - len(trial), trial[-1]))
                for trial in map(np.asarray, trials)
            ]
            curves.append(DecodingCurve.of(label, np.arange(longest), np.array(padded)))
        display = cls(curves, xlabel="iterations", ylabel=ylabel, log_x=True)
        return display.plot(**options)

    @classmethod
    def from_recovery(cls, errors, **options):
        """Plot relative recovery errors against the number of samples per entry.

        Parameters
        ----------
        errors : dict
            By label, a pair: ratios n / d, of shape (n_ratios,), and errors (8) of the
            paper, of shape (n_trials, n_ratios).
        **options
            Of :meth:`plot`.

        Returns
        -------
        DecodingDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If there are no errors, or shapes do not agree.
        """
        curves = []
        for label, (ratios, trials) in _checked(errors, "errors").items():
            trials = np.asarray(trials, dtype=float)
            if trials.ndim != 2 or trials.shape[1] != len(ratios):
                raise ValueError(
                    f"errors[{label!r}] must be {len(ratios)} ratios with an array of "
                    f"shape (n_trials, {len(ratios)}), got shape {trials.shape}."
                )
            curves.append(DecodingCurve.of(label, ratios, trials))
        display = cls(
            curves, xlabel="samples per entry, n / d", ylabel="relative recovery error"
        )
        return display.plot(**options)

    def plot(self, *, ax=None, title=None):
        """Draw the curves, their bands, and a legend if there is more than one.

        On a logarithmic axis of iterations, the values before the first one are drawn
        at one half.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; new axes by default.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        DecodingDisplay
            Itself, with `ax_` and `figure_`.
        """
        ax = self._take_ax(ax)
        for k, curve in enumerate(self.curves):
            x = np.where(curve.x > 0, curve.x, 0.5) if self.log_x else curve.x
            low, middle, high = (
                np.maximum(values, self.floor)
                for values in (curve.low, curve.middle, curve.high)
            )
            few = len(x) <= 30
            style = {"marker": "o", "ms": 3} if few else {}
            ax.plot(x, middle, color=f"C{k}", label=curve.label, **style)
            ax.fill_between(x, low, high, color=f"C{k}", alpha=0.2, lw=0)
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel, title=title, yscale="log")
        if self.log_x:
            ax.set_xscale("log")
        ax.grid(alpha=0.3)
        if len(self.curves) > 1:
            ax.legend(frameon=False, fontsize="small")
        return self


def _checked(curves, name):
    """Return a dictionary of curves after checking that none is empty."""
    if not curves or any(len(values) == 0 for values in curves.values()):
        raise ValueError(f"{name} must have a curve, and each a value; got {curves!r}.")
    return curves
