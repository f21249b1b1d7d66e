"""Packing: from folders, archives and TFDS sets to shards of TFRecords."""
