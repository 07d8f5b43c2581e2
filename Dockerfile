# The images of Glitch Grid, each a stage. `make images` builds them all.
#
#   build               makes the virtual environment; nothing else of it is kept
#   grid                what the vaults and control run in
#   workload            grid, with the curl workload and the test commands beside it
#   config              no program: what tells Antithesis how to run the others, for docker-compose
#   config-kubernetes   the same for Kubernetes
#
# docker-compose.yml builds grid and workload. The base is Debian with glibc, because Antithesis asks for glibc (so no
# Alpine), and Python 3.12 or newer, because its coverage of Python code needs that.

FROM python:3.13-slim AS build

ENV PATH=/opt/glitchgrid/bin:$PATH
WORKDIR /src

# The dependencies come first, in layers of their own: they change seldom, and a build after a change of the source
# takes them from the cache. Every file is pinned by its hash. Wheels alone, because an sdist would run a build script
# now and could want a compiler, which the base does not have.
COPY requirements-runtime.lock ./
RUN python -m venv /opt/glitchgrid \
    && pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-runtime.lock

# .dockerignore lists what of the checkout gets here. No dependency is looked up: the lock above holds them all,
# setuptools for this build among them. Afterwards the environment no longer needs an installer.
COPY . ./
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && pip uninstall --yes setuptools pip


FROM python:3.13-slim AS grid

# A new named volume takes its owner from the directory that it is mounted over, so that directory has to be there and
# belong to the user. It is no VOLUME: every control and workload would leave one without a name behind. The base brings a pip of its own, which nothing here needs once it runs.
RUN useradd --uid 10001 --user-group --home-dir /nonexistent --shell /usr/sbin/nologin glitchgrid \
    && install --directory --mode=0750 --owner=glitchgrid --group=glitchgrid /var/lib/glitchgrid \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip*

COPY --from=build /opt/glitchgrid /opt/glitchgrid
ENV PATH=/opt/glitchgrid/bin:$PATH

# Root's only run of the programs: it writes Twisted's list of plugins (dropin.cache) and the bytecode of what is used
# of the standard library. The user below may write neither, and would do that work again at every start.
RUN twistd --help > /dev/null \
    && twistd vault --help > /dev/null \
    && twistd control --help > /dev/null \
    && python -c "import glitchgrid.healthcheck"

# What is stated in the source, where Antithesis looks for it: the sources themselves, by a link, and beside them the
# list that the SDK's own scanner makes of them.
RUN package=$(python -c "import glitchgrid, os; print(os.path.dirname(glitchgrid.__file__))") \
    && mkdir -p /opt/antithesis/catalog \
    && ln -s "$package" /opt/antithesis/catalog/glitchgrid \
    && python -m antithesis.catalog "$package" -o /opt/antithesis/catalog/catalog.json

# By number: Kubernetes can only see of a number that it is not root's.
USER 10001:10001

# Which server it asks: GLITCHGRID_HEALTH_URL, otherwise /livez on port 8000 of this container.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "glitchgrid.healthcheck"]

# In the exec form, without a shell in between, so that twistd itself gets SIGTERM. The launcher runs twistd in its own
# process, and has it tell Antithesis which lines were reached; anywhere else it does nothing. No pid file: process ids
# repeat in containers, and one left behind by a kill would keep twistd from starting.
ENTRYPOINT ["python", "-m", "antithesis", "/opt/glitchgrid/bin/twistd", "--nodaemon", "--pidfile="]

# There is no grid of one container. Without arguments it says what it wants, and stops.
CMD ["control", "--help"]


FROM grid AS workload

USER 0
# No versions: Debian's mirrors keep only the newest build of a package, so a pin would break at the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash curl \
    && rm -rf /var/lib/apt/lists/*
COPY workload/workload.sh /opt/glitchgrid-workload/

# The test commands, where Test Composer looks for them, and what they state of the grid. What they share in a timeline
# is in a directory of its own, which a volume is mounted over.
COPY workload/templates/ /opt/antithesis/test/v1/
RUN ln -s /opt/antithesis/test/v1 /opt/antithesis/catalog/test \
    && python -m antithesis.catalog /opt/antithesis/catalog/glitchgrid /opt/antithesis/test/v1 \
        -o /opt/antithesis/catalog/catalog.json \
    && install --directory --mode=0750 --owner=glitchgrid --group=glitchgrid /var/lib/glitchgrid-timeline
USER 10001:10001

ENTRYPOINT ["/opt/glitchgrid-workload/workload.sh"]
CMD ["control:8000"]


FROM scratch AS config

COPY antithesis/docker-compose.yaml antithesis/.env /


FROM scratch AS config-kubernetes

COPY antithesis/kubernetes/ /manifests/
