"""What the tests of exhibits of whole sets share."""

import pytest
from set_subjects import subject_of

from alexnet_tf.laboratory.sets.answers import answers


@pytest.fixture(scope="module")
def seen(pictures):
    """A subject whose pictures the network has seen."""
    subject = subject_of(pictures)
    answers(subject, "a test")
    return subject
