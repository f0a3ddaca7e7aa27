"""Configuration of the documentation; build with ``python -m sphinx -W docs OUT``."""

import convexnn

project = "convexnn"
author = "The convexnn developers"
copyright = author
version = release = convexnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
# Sources of the gallery and of the page on backends are read by other means.
exclude_patterns = ["_build", "examples", "examples_backend"]

autosummary_generate = True
autodoc_typehints = "none"
# Members are listed by the template of classes.
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "capture_repr": (),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"convexnn {version}"
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
# The start page and the single pages without children need no left column.
_SINGLE = (
    *("index", "theory", "decisions", "architectures", "backends", "defaults"),
    *("choosing_beta", "two_layer", "classification", "uci", "decoder"),
    *("convex_cnn", "three_layer"),
)
html_sidebars = {page: [] for page in _SINGLE}
