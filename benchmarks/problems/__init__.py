"""Problems: data sets and penalties by name, and data that are drawn."""
