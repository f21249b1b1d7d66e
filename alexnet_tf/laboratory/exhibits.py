"""Everything that can be shown of a network."""

from collections.abc import Callable

from alexnet_tf.laboratory import settings
from alexnet_tf.laboratory.attribution import gradcam, occlusion, saliency
from alexnet_tf.laboratory.exhibit import Exhibit
from alexnet_tf.laboratory.sets import calibration, confusion, embedding, mistakes, nearest
from alexnet_tf.laboratory.settings import Common
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.laboratory.units import correspondence, deconvnet, evolution, filters, invariance

SHOW: dict[type[Common], Callable[[Subject, Common], Exhibit]] = {
    settings.Filters: filters.show,
    settings.Nearest: nearest.show,
    settings.Confusion: confusion.show,
    settings.Mistakes: mistakes.show,
    settings.Calibration: calibration.show,
    settings.Embedding: embedding.show,
    settings.Deconvnet: deconvnet.show,
    settings.Occlusion: occlusion.show,
    settings.GradCam: gradcam.show,
    settings.Saliency: saliency.show,
    settings.Invariance: invariance.show,
    settings.Correspondence: correspondence.show,
    settings.Evolution: evolution.show,
}
"""The function that makes each exhibit."""
