"""Whether the table is whole."""

from cases import CASES, LAYERS, NETWORKS

from alexnet_tf.networks.family.names import FAMILY
from alexnet_tf.registration import CLASSES


def test_every_class_that_keras_files_name_has_a_line():
    lines = {name.partition("-")[0] for name in LAYERS}
    assert lines == set(CLASSES) - {"Network"}  # which every network is


def test_every_network_of_the_family_has_a_line():
    assert [name for name in NETWORKS if name != "paper-two-towers"] == list(FAMILY)


def test_what_cannot_hold_is_a_property_and_has_a_reason():
    known = {"shape_and_count", "unknown_sides", "round_trip", "half_precision", "graph"}
    known |= {"two_replicas", "saved_model", "xla"}
    for name, case in CASES.items():
        assert set(case.lacks) <= known, name
        assert all(len(reason.split()) > 3 for reason in case.lacks.values()), name
