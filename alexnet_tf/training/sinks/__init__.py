"""Where the numbers and pictures of a run go.

A sink has three methods. `write(line)` takes one flat dict per log event: "step" and "epoch", and
tags such as "train/loss", "eval/top1_error", "time/images_per_second" (None for no value).
`progress(step, images_per_second, loss)` is called after each launch; `close()` once.
"""
