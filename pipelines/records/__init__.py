"""Packed data sets: shards of TFRecords, an index beside each, one dataset.json for all."""
