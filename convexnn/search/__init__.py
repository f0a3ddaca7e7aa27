"""Search for the cells that matter while solving, without a list of all."""

from ..solvers.registry import register_backend

register_backend(
    "active_set",
    "convexnn.solvers.newton:solve",
    features=("cones", "patches"),
    # Fixed gates leave nothing to search for.
    needs=("cones",),
    options=("n_starts", "width"),
    search="convexnn.search.active_set:search",
    searches=("cones", "coupled_cones", "patches", "several_outputs"),
    is_first=True,
)
