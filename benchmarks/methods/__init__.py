"""Methods: what is timed, beside the estimators of convexnn."""
