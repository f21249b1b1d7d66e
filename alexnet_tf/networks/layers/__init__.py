"""The layers that Keras lacks, one a file."""
