# Every target does all of its own set-up. Start with `make demo`, then `make test`.
.DELETE_ON_ERROR:
.PHONY: help setup demo up test test-all test-lowest services bugs explore rehearse docs lint lock images sbom container-test bench bench-quick bench-simulation glitch-table mutants twisted-parity screenshots clean

help:
	@printf '%s\n' \
	  'make demo             a grid of three vaults, the workload against it, a vault killed on the way' \
	  'make up               a grid to play with, on http://127.0.0.1:8000/' \
	  'make test             the tests; some ten minutes' \
	  'make test-all         those that take long, too; half an hour to an hour' \
	  'make test-lowest      the unit tests, on the lowest version of each dependency' \
	  'make services         services from PyPI in the simulated world, each with faults; some minutes' \
	  'make bugs             known bugs of such services, looked for at all seeds; some minutes' \
	  'make explore          every run of a small grid, and each condition broken: some ten minutes' \
	  'make lint             linters and types' \
	  'make docs             the site, in build/docs/html' \
	  'make images           the images, and what tells Antithesis how to run them' \
	  'make sbom             what is in the images, in build/sbom.cdx.json (CycloneDX)' \
	  'make container-test   the images and the compose stacks, really built and run' \
	  'make rehearse         the test commands and faults, on real processes; a minute' \
	  'make bench            how fast it is, beside a threaded grid and etcd; half an hour or more' \
	  'make bench-quick      the same in two minutes' \
	  'make bench-simulation how fast the simulated world is; five minutes' \
	  'make glitch-table     how soon each deliberate bug is found, and its story; twenty minutes' \
	  'make mutants          what simulation finds of 400 small changes to the product; an hour' \
	  'make twisted-parity   Twisted'"'"'s own reactor tests in the simulated world, beside this machine; some minutes' \
	  'make screenshots      the documentation'"'"'s pictures of pages and terminals; some minutes' \
	  'make lock             write the lock files anew' \
	  'make clean            take away everything that was made here'

setup: .venv/ready

.venv/ready: scripts/setup requirements.lock setup.py $(wildcard glitchgrid/simulation/native/*.[ch] glitchgrid/machines/*.c)
	@scripts/setup

demo: setup
	@.venv/bin/glitchgrid demo

up: setup
	@.venv/bin/glitchgrid up

test: setup
	@scripts/run-tests

test-all: setup
	@scripts/run-tests --all

test-lowest: setup
	@scripts/test-lowest

services: setup
	@PYTHON=.venv/bin/python scripts/services

bugs: setup
	@PYTHON=.venv/bin/python scripts/services bugs --all

explore: setup
	@.venv/bin/python -m tests.exploration --instance full
	@.venv/bin/python -m tests.exploration --break all --story

glitch-table: setup
	@.venv/bin/glitchgrid glitches --find --output docs && mv docs/glitch-table.md docs/reference/

mutants: setup
	@.venv/bin/python -m tests.mutants laboratory --page docs/measured/mutation-score.md

twisted-parity: setup
	@scripts/twisted-parity

docs: setup
	@.venv/bin/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs/html
	@echo build/docs/html/index.html

screenshots: setup
	@scripts/screenshots

lint: setup
	@scripts/lint

lock: setup
	@scripts/lock

images:
	@scripts/images

sbom: setup
	@mkdir -p build && .venv/bin/cyclonedx-py requirements --output-reproducible -o build/sbom.cdx.json requirements-runtime.lock && echo build/sbom.cdx.json

rehearse: setup
	@.venv/bin/glitchgrid rehearse

container-test:
	@scripts/container-test

bench:
	@scripts/bench run

bench-quick:
	@scripts/bench run --quick

bench-simulation:
	@scripts/bench simulation

clean:
	rm -rf .venv .venv-bench .venv-lowest .venv-services .container-test build dist *.egg-info _trial_temp* twisted/plugins/dropin.cache \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f glitchgrid/simulation/native/*.so
	find glitchgrid twisted tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
