"""Principal components of ImageNet's colors, in levels of 0 to 255.

Krizhevsky's, as stored in cuda-convnet2's input_meta. The paper's lambda are eigenvalues in the
text, standard deviations in his program; eigenvalues of such levels would shift colors by
thousands.
"""

COLOR_STDEVS = (121.7801, 37.0939, 19.7208)
"""Along each axis."""

COLOR_AXES = (
    (-0.56351, -0.57618, -0.59200),
    (-0.71258, -0.02354, 0.70120),
    (0.41796, -0.81698, 0.39731),
)
"""Rows are components, columns red, green and blue."""
