# Two commands do all their own set-up, with uv where it is installed and with venv and pip where
# it is not: `make demo` holds a call on this machine, `make test` checks everything.

PIPECAT_OLDEST := 1.13.0
SOURCES := pipecat_wavix examples benchmarks tests
# Most tests wait for a clock, so there may be more processes than cores; a file stays in one.
PARALLEL := -n 4 --dist loadfile --no-loadscope-reorder
# What does not import Pipecat (tests/test_house.py sees to that) is the same on any.
WITHOUT_PIPECAT := $(foreach room,client emulator handset phoneline protocol timeline webhooks,--ignore-glob='tests/test_$(room)*')
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: help demo test test-browser test-oldest bench format clean

help:
	@sed -n 's/^# \(make [a-z-]*\): /\1\t/p' Makefile

# make demo: starts examples/receptionist.py, calls it (CALLER=file.wav: in your voice), lets you
demo: .venv-demo/ready
	@.venv-demo/bin/python examples/demo.py $(if $(CALLER),--caller $(CALLER))

# make test: linters, types and tests, on the newest Pipecat; the browser's where there is Chromium
test: .venv/ready
	.venv/bin/ruff check $(SOURCES)
	.venv/bin/ruff format --check $(SOURCES)
	.venv/bin/mypy
	$(if $(CHROMIUM),,@echo "No Chromium here: the tests of the handset's page are left out.")
	.venv/bin/python -m pytest $(if $(CHROMIUM),,-m "not browser") $(PARALLEL)
	.venv/bin/python tests/coverage_of_pure_modules.py

# make test-browser: the tests of the handset's page, which need Chromium
test-browser: .venv/ready
	.venv/bin/python -m pytest -m browser

# make test-oldest: the tests of all that knows Pipecat, on the oldest that is supported
test-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest $(WITHOUT_PIPECAT) $(PARALLEL)

# make bench: every claim, measured beside a peer in the same run
bench: .venv/ready
	.venv/bin/python benchmarks/resampler.py
	.venv/bin/python benchmarks/serializer.py
	.venv/bin/python benchmarks/defaults.py
	.venv/bin/python -m benchmarks.truth
	.venv/bin/python -m benchmarks.front_door
	.venv/bin/python benchmarks/understood.py
	$(if $(CHROMIUM),.venv/bin/python benchmarks/handset.py,@echo "No Chromium here: the handset's page is not measured.")

# make format: what the linters can mend by themselves
format: .venv/ready
	.venv/bin/ruff check --fix $(SOURCES)
	.venv/bin/ruff format $(SOURCES)

# make clean: removes what the other commands made
clean:
	rm -rf .venv .venv-demo .venv-oldest .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

.venv/ready: pyproject.toml
	@./install.sh .venv '.[test,browser]'

.venv-demo/ready: pyproject.toml
	@./install.sh .venv-demo '.[demo]'

.venv-oldest/ready: pyproject.toml
	@./install.sh .venv-oldest '.[test]' 'pipecat-ai==$(PIPECAT_OLDEST)'
