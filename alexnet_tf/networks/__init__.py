"""Networks as functions of their settings; they know no strategy, no data set, no files."""
