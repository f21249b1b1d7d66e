"""The house: who may import whom, what stays free of TensorFlow, what a wheel contains."""

import ast
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("alexnet_tf", "pipelines")


def plan() -> dict[str, str]:
    """Reads the plan in BUILD.md: every module of ours with its purpose, from the top down.

    A folder's own `__init__` stands where the folder is named last.
    """
    text = (ROOT / "BUILD.md").read_text(encoding="utf-8")
    block = text.partition("## How the code is laid out")[2].split("```")[1]
    found, folder = {}, ""
    for line in filter(str.strip, block.splitlines()):
        name, purpose = re.fullmatch(r"\s*(\S+)\s*(.*)", line).groups()
        if line.startswith(" "):
            module = f"{folder}.{name}"
            assert module not in found, f"{module} stands twice in the plan"
        else:
            module = folder = name.strip("/").replace("/", ".")
            purpose = found.pop(folder, purpose)
        if folder.split(".")[0] in PACKAGES:
            assert purpose, f"{module} has no purpose in the plan"
            found[module] = purpose
    return found


COMMANDS = {"pipelines.prepare", "pipelines.serve"}
"""Of the data path: they read their flags as the others do."""
PLAN = plan()
PLACES = {name: place for place, name in enumerate(reversed(PLAN))}
WITHOUT_TENSORFLOW = """alexnet_tf alexnet_tf.registration alexnet_tf.notebook alexnet_tf.recipes
    alexnet_tf.config alexnet_tf.config.fields alexnet_tf.config.json_form alexnet_tf.errors
    pipelines.files alexnet_tf.machine pipelines.text_files
    alexnet_tf.command_line.environment alexnet_tf.command_line.quiet
    alexnet_tf.command_line.keras_backend alexnet_tf.command_line.flags
    alexnet_tf.command_line.absl_flags alexnet_tf.command_line.help
    alexnet_tf.command_line.summary_text
    alexnet_tf.networks.family.names alexnet_tf.networks.tables.resolved
    alexnet_tf.networks.tables.summary alexnet_tf.networks.tables.convolutional
    alexnet_tf.train alexnet_tf.evaluate alexnet_tf.features alexnet_tf.export
    alexnet_tf.visualize alexnet_tf.laboratory.settings
    alexnet_tf.predict
    alexnet_tf.convert alexnet_tf.benchmark alexnet_tf.summary alexnet_tf.experiment
    alexnet_tf.experiments.named alexnet_tf.experiments.results alexnet_tf.experiments.plan_text
    alexnet_tf.experiments.report alexnet_tf.experiments.transfer
    alexnet_tf.training.start alexnet_tf.training.selection alexnet_tf.training.schedules
    alexnet_tf.training.checkpoint alexnet_tf.training.converted alexnet_tf.training.stored
    alexnet_tf.weights.formats alexnet_tf.weights.partial
    alexnet_tf.figures.sheets alexnet_tf.figures.confusion
    alexnet_tf.figures.grids alexnet_tf.figures.plots
    pipelines.prepare pipelines.packing.settings pipelines.progress
    pipelines.storage pipelines.staging
    pipelines.config pipelines.typed pipelines.parallelism pipelines.machine""".split()


def files() -> dict[str, pathlib.Path]:
    """Lists every module of ours with its file."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports_of(path: pathlib.Path) -> set[str]:
    """Lists the modules of ours that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = whole & set(PLACES)
            found |= modules if len(modules) == len(whole) else modules | {node.module}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def run_python(code: str) -> str:
    """Runs a program in a process of its own and returns what it printed."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_has_its_line_in_the_plan_and_every_line_its_file():
    assert sorted(files()) == sorted(PLAN)


@pytest.mark.parametrize("name", files())
def test_a_file_imports_only_what_lies_below_it(name):
    for imported in imports_of(files()[name]):
        assert PLACES[imported] < PLACES[name], f"{name} imports {imported}"
        if name.startswith("pipelines") and name not in COMMANDS:
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


@pytest.mark.long
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


@pytest.mark.long
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
