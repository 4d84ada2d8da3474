from __future__ import annotations

import subprocess
import sys
import tarfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.packaging


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", directory],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return directory


@pytest.fixture
def wheel(distributions: Path) -> Iterator[ZipFile]:
    (path,) = distributions.glob("*.whl")
    with ZipFile(path) as archive:
        yield archive


def files_below(directory: Path) -> set[str]:
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_wheel_brings_every_file_of_the_package(wheel: ZipFile) -> None:
    expected = {f"flask_billing/{name}" for name in files_below(ROOT / "flask_billing")}

    missing = expected - set(wheel.namelist())

    assert "flask_billing/py.typed" in expected
    assert missing == set()


def test_wheel_brings_the_migrations(wheel: ZipFile) -> None:
    expected = {f"flask_billing/migrations/{name}" for name in files_below(ROOT / "migrations")}

    missing = expected - set(wheel.namelist())

    assert any(name.startswith("flask_billing/migrations/versions/") for name in expected)
    assert missing == set()


def test_wheel_brings_nothing_else(wheel: ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert tops == {"flask_billing", "flask_billing-0.1.0.dist-info"}


def test_wheel_depends_on_seven_libraries(wheel: ZipFile) -> None:
    metadata = message_from_string(wheel.read("flask_billing-0.1.0.dist-info/METADATA").decode())

    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]

    assert {requirement.name for requirement in requirements if not requirement.marker} == {
        "babel",
        "flask",
        "flask-migrate",
        "flask-sqlalchemy",
        "flask-wtf",
        "sqlalchemy",
        "stripe",
    }


def test_source_distribution_brings_tests_and_documentation(distributions: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")

    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"LICENSE", "Makefile", "docs/index.md", "tests/conftest.py", "pyproject.toml"} <= names
