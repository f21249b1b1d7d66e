"""The data path: sources of examples, their order, decoding, augmentation, batches."""
