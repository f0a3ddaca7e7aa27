"""What to record of each fit in a cross-validated search."""

from __future__ import annotations

from sklearn.metrics import r2_score

__all__ = ["score_fit"]


def score_fit(estimator, X, y):
    """Score a fitted network and tell its size and its gap.

    Pass it as `scoring` to GridSearchCV, with ``refit="r2"``; the search then keeps
    ``mean_test_r2``, ``mean_test_neurons`` and ``mean_test_relative_gap``.

    Parameters
    ----------
    estimator : estimator
        Fitted network, or a Pipeline that ends with one.
    X : array-like of shape (n_samples, n_features)
        Test inputs.
    y : array-like of shape (n_samples,)
        Test targets.

    Returns
    -------
    dict
        "r2", "neurons" and "relative_gap".

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn import ConvexReLURegressor
    >>> from convexnn.estimators.scoring import score_fit
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = ConvexReLURegressor(beta_ratio=2.0, random_state=0).fit(X, y)
    >>> score_fit(model, X, y)
    {'r2': 0.0, 'neurons': 0, 'relative_gap': 0.0}
    """
    network = estimator[-1] if hasattr(estimator, "named_steps") else estimator
    return {
        "r2": r2_score(y, estimator.predict(X)),
        "neurons": network.n_neurons_,
        "relative_gap": network.certificate_.relative_gap,
    }
