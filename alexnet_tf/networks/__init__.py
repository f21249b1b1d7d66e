"""Networks as functions of their settings, independent of strategies, data sets and files."""
