"""The house: who may import whom, what stays free of TensorFlow, what a wheel contains."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# From the top down, as BUILD.md draws it. A file imports from lower floors, or from its own floor
# below itself; `pipelines` imports itself and nothing else of ours.
HOUSE = (
    # 4: parse flags, build, call one function, return an exit code
    """alexnet_tf.train alexnet_tf.evaluate alexnet_tf.export alexnet_tf.predict
    alexnet_tf.convert alexnet_tf.benchmark alexnet_tf.summary alexnet_tf.summary_text
    alexnet_tf.flags alexnet_tf.flags_absl alexnet_tf.flags_help""",
    # 3: time, files, events; what an exported model takes and returns; who is measured and how
    """alexnet_tf.notebook
    alexnet_tf.benchmarking.text alexnet_tf.benchmarking.report alexnet_tf.benchmarking.machine
    alexnet_tf.benchmarking.rounds alexnet_tf.benchmarking.worker alexnet_tf.benchmarking.ours
    alexnet_tf.benchmarking.plain_keras alexnet_tf.benchmarking.matrix
    alexnet_tf.benchmarking.tf_work alexnet_tf.benchmarking.pytorch
    alexnet_tf.benchmarking.pictures alexnet_tf.benchmarking.work
    alexnet_tf.benchmarking.contenders alexnet_tf.benchmarking.spec alexnet_tf.benchmarking
    alexnet_tf.training.run alexnet_tf.training.trainer alexnet_tf.training.timer
    alexnet_tf.training.splits alexnet_tf.training.per_class alexnet_tf.training.heat_map
    alexnet_tf.training.lifecycle alexnet_tf.training.monitoring alexnet_tf.training.events
    alexnet_tf.training.event_files
    alexnet_tf.training.pictures alexnet_tf.training.launch alexnet_tf.training.evaluation
    alexnet_tf.training.start alexnet_tf.training.checkpoint alexnet_tf.training.converted
    alexnet_tf.training.stored alexnet_tf.serving alexnet_tf.serving.savedmodel
    alexnet_tf.serving.classifier alexnet_tf.weights.blobs alexnet_tf.weights.partial
    alexnet_tf.weights.formats alexnet_tf.weights.pytorch
    alexnet_tf.weights.safetensors alexnet_tf.weights.caffe alexnet_tf.weights.numpy_files
    alexnet_tf.weights.state_dicts alexnet_tf.weights.numpy_pickles alexnet_tf.weights.pickles
    alexnet_tf.weights.archives alexnet_tf.weights.layouts alexnet_tf.weights.names
    alexnet_tf.weights.stored alexnet_tf.weights.writers alexnet_tf.weights""",
    # 2: one step on one replica, and what it needs
    """alexnet_tf.recipes alexnet_tf.training alexnet_tf.training.steps alexnet_tf.training.state
    alexnet_tf.training.optimizer alexnet_tf.training.schedules alexnet_tf.training.selection
    alexnet_tf.training.counts alexnet_tf.training.strategy""",
    # 1: networks
    """alexnet_tf.networks alexnet_tf.networks.towers alexnet_tf.networks.dense
    alexnet_tf.networks.alexnet alexnet_tf.networks.model
    alexnet_tf.networks.layers alexnet_tf.networks.norms
    alexnet_tf.networks.places alexnet_tf.networks.lenet alexnet_tf.networks.lrn
    alexnet_tf.networks.groups alexnet_tf.networks.dropout alexnet_tf.networks.initial
    alexnet_tf.networks.account alexnet_tf.networks.halves alexnet_tf.networks.table
    alexnet_tf.networks.options alexnet_tf.networks.family alexnet_tf.networks.imagenet
    alexnet_tf.networks.later alexnet_tf.networks.pictures alexnet_tf.networks.published""",
    # 0: settings, and the data path
    """alexnet_tf alexnet_tf.registration
    alexnet_tf.settings_json alexnet_tf.settings alexnet_tf.backend alexnet_tf.config
    alexnet_tf.network_config alexnet_tf.network_layers alexnet_tf.environment alexnet_tf.files
    alexnet_tf.text_files alexnet_tf.quiet alexnet_tf.errors
    pipelines.dataset pipelines.sources.memory pipelines.squares pipelines.decode pipelines.bmp
    pipelines.exif pipelines.kinds pipelines.sources
    pipelines.sources.folder pipelines.sources.layout pipelines.sources.shapes
    pipelines.sources.forms pipelines.order
    pipelines.augment pipelines.parallelism pipelines.machine
    pipelines.config pipelines.typed pipelines""",
)
PLACES = {
    name: (floor, place)
    for floor, names in enumerate(reversed(HOUSE))
    for place, name in enumerate(reversed(names.split()))
}
WITHOUT_TENSORFLOW = """alexnet_tf alexnet_tf.registration alexnet_tf.notebook
    alexnet_tf.config alexnet_tf.network_config alexnet_tf.errors
    alexnet_tf.environment alexnet_tf.files alexnet_tf.quiet
    alexnet_tf.settings alexnet_tf.settings_json alexnet_tf.backend alexnet_tf.networks.family
    alexnet_tf.networks.table alexnet_tf.networks.account alexnet_tf.recipes
    alexnet_tf.flags alexnet_tf.flags_help
    alexnet_tf.train alexnet_tf.evaluate
    alexnet_tf.export alexnet_tf.predict alexnet_tf.convert alexnet_tf.benchmark
    alexnet_tf.summary alexnet_tf.summary_text pipelines.config pipelines.typed
    pipelines.parallelism pipelines.machine
    alexnet_tf.weights.formats alexnet_tf.training.start alexnet_tf.training.selection
    alexnet_tf.training.checkpoint alexnet_tf.training.converted
    alexnet_tf.training.stored alexnet_tf.weights.partial alexnet_tf.flags_absl""".split()


def files() -> dict[str, pathlib.Path]:
    """Every module of ours and its file."""
    found = {}
    for package in ("alexnet_tf", "pipelines"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports_of(path: pathlib.Path) -> set[str]:
    """The modules of ours that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = whole & set(PLACES)
            found |= modules if len(modules) == len(whole) else modules | {node.module}
    return {name for name in found if name.split(".")[0] in ("alexnet_tf", "pipelines")}


def run_python(code: str) -> str:
    """Runs a program in a process of its own and returns what it printed."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_has_its_place_in_the_house():
    assert set(files()) == set(PLACES)


@pytest.mark.parametrize("name", files())
def test_a_file_imports_only_what_lies_below_it(name):
    for imported in imports_of(files()[name]):
        assert PLACES[imported] < PLACES[name], f"{name} imports {imported}"
        if name.startswith("pipelines"):
            assert imported.startswith("pipelines"), f"{name} imports {imported}"


def test_settings_and_commands_load_without_tensorflow():
    assert set(WITHOUT_TENSORFLOW) <= set(PLACES)
    code = f"""
import importlib, sys
for name in {[name for name in WITHOUT_TENSORFLOW if name in files()]}:
    importlib.import_module(name)
    assert not {{"tensorflow", "keras"}} & set(sys.modules), name
"""
    run_python(code)


def test_nothing_touches_a_device_when_it_is_imported():
    code = f"""
import importlib
for name in {list(files())}:
    importlib.import_module(name)
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
print(len(tf.config.list_logical_devices("CPU")))
"""
    assert run_python(code).strip() == "2"


def test_setup_lists_the_packages_there_are():
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    (packages,) = [ast.literal_eval(x.value) for x in keywords if x.arg == "packages"]
    found = {name for name, path in files().items() if path.name == "__init__.py"}
    assert sorted(packages) == sorted(found)


def test_the_package_lists_its_public_names_and_each_has_a_home():
    code = """
import alexnet_tf
assert set(dir(alexnet_tf)) == set(alexnet_tf.__all__)
for name in alexnet_tf.__all__:
    assert getattr(alexnet_tf, name) is not None
try:
    alexnet_tf.nothing
except AttributeError as error:
    print(error)
"""
    assert "has no attribute 'nothing'" in run_python(code)
