"""The files around the code: license, citation, packaging, scripts."""

import hashlib
import pathlib
import re
import tomllib

import pytest

import alexnet_tf
from alexnet_tf.recipes import RECIPES

ROOT = pathlib.Path(__file__).parents[1]
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_license_is_the_apache_license_to_the_letter():
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2


@pytest.mark.parametrize("name", ["Krizhevsky", "AlexNet-Source-Code", "cuda-convnet2", "ImageNet"])
def test_the_notice_names_where_facts_come_from(name):
    assert name in text("NOTICE")


def test_the_citation_names_the_paper_and_this_program():
    citation = text("CITATION.cff")
    lines = [line for line in citation.splitlines() if line.strip()]
    entry = re.compile(r'^ *(- )?[a-z-]+:( "[^"]*"| [^":]+)?$')
    assert [line for line in lines if not entry.match(line)] == []
    for key in ("cff-version: 1.2.0", "title:", "message:", "authors:", "license: Apache-2.0"):
        assert f"\n{key}" in f"\n{citation}"
    for name in ("Krizhevsky", "Sutskever", "Hinton", "alexnet_tf", "2012"):
        assert name in citation


def test_the_version_stands_once_and_setup_reads_it():
    assert f'__version__ = "{alexnet_tf.__version__}"' in text("alexnet_tf/__init__.py")
    assert alexnet_tf.__version__ not in text("setup.py")
    assert "version" not in tomllib.loads(text("pyproject.toml")).get("project", {})


def test_python_versions_agree():
    assert 'python_requires=">=3.11,<3.14"' in text("setup.py")
    assert "(3, 11) <= sys.version_info < (3, 14)" in text("Makefile")
    assert tomllib.loads(text("pyproject.toml"))["tool"]["ruff"]["target-version"] == "py311"


def measured_rows() -> dict[str, list[str]]:
    """README's table of measured results: the cells of a row by its name."""
    table = text("README.md").partition("## Measured results")[2].partition("\n\nSpeed of")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {name: cells for name, *cells in rows}


@pytest.mark.parametrize(
    "recipe, names",
    [
        ("quickstart", [f"quickstart, seed {seed}" for seed in (0, 1, 2)]),
        ("imagenette", ["imagenette, center window", "imagenette, ten views"]),
    ],
)
def test_a_recipe_quotes_the_errors_that_the_readme_measured(recipe, names):
    evidence = " ".join(RECIPES[recipe].__doc__.partition("Top-1 error")[2].split())
    quoted = [float(x) for x in re.findall(r"\d+\.\d(?= %|, | and )", evidence)]
    rows = measured_rows()
    assert quoted == [round(100 - float(rows[name][-1].removesuffix(" %")), 1) for name in names]
    dates = set(re.findall(r"\d{4}-\d\d-\d\d", evidence))
    assert dates == {rows[name][2] for name in names}


def test_what_was_not_measured_is_said_in_both_places():
    assert "Top-1 error: not measured." in RECIPES["paper"].__doc__
    assert measured_rows()["paper, ImageNet"][-1] == "not measured"


@pytest.mark.parametrize("package", ["alexnet_tf", "pipelines"])
def test_type_hints_are_announced(package):
    assert (ROOT / package / "py.typed").exists()
