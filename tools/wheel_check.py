#!/usr/bin/env python3
"""Builds the distributions and runs a host app with the wheel, in an empty environment elsewhere.

The wheel is built from the source distribution, so that both are known to be whole.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = ROOT / "tests" / "packaging"


def main() -> None:
    """Build, install, and use."""
    with tempfile.TemporaryDirectory(prefix="flask-billing-wheel-") as temporary:
        directory = Path(temporary)
        wheel = build(directory / "dist")
        python = install(wheel, directory / "environment")
        use(python, directory / "host")


def build(directory: Path) -> Path:
    """Build the source distribution from the tree, and the wheel from that."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", directory], cwd=ROOT)
    (source,) = directory.glob("*.tar.gz")
    pip: list[str | Path] = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps"]
    run([*pip, "--wheel-dir", directory, source], cwd=directory)
    (wheel,) = directory.glob("*.whl")
    return wheel


def install(wheel: Path, directory: Path) -> Path:
    """Install the wheel and what it asks for, and nothing else."""
    run([sys.executable, "-m", "venv", directory], cwd=wheel.parent)
    python = directory / "bin" / "python"
    run([python, "-m", "pip", "install", "-qq", wheel], cwd=wheel.parent)
    return python


def use(python: Path, directory: Path) -> None:
    """Make the host's tables from the wheel's migrations, and walk through its pages."""
    directory.mkdir()
    for name in ("host_app.py", "host_journey.py"):
        shutil.copy(HOST / name, directory)
    flask: list[str | Path] = [python, "-m", "flask", "--app", "host_app"]
    run([*flask, "db", "init"], cwd=directory, quiet=True)
    run([*flask, "billing", "install-migrations"], cwd=directory)
    run([*flask, "db", "upgrade"], cwd=directory, quiet=True)
    run([*flask, "db", "migrate", "-m", "host tables"], cwd=directory, quiet=True)
    run([*flask, "db", "upgrade"], cwd=directory, quiet=True)
    run([*flask, "db", "check"], cwd=directory, quiet=True)
    run([python, "host_journey.py"], cwd=directory)


def run(command: list[str | Path], *, cwd: Path, quiet: bool = False) -> None:
    """Run a program where nothing of the tree can be imported; show what it says if it fails."""
    print("$", *(Path(command[0]).name, *command[1:]), flush=True)
    left_out = ("PYTHONPATH", "FLASK_", "STRIPE_", "BILLING_", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode or not quiet:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(f"This failed with {done.returncode}; see above.")


if __name__ == "__main__":
    main()
