# `make quickstart` and `make test` work on a machine with g++, make and Python 3.11: setup installs the rest.
BUILD ?= build
PYTHON := .venv/bin/python
CLANG_FORMAT = $(firstword $(shell which clang-format clang-format-14 clang-format-15 clang-format-16 2>/dev/null))
RUN := PYTHONPATH=$(BUILD)/python $(PYTHON)
CPP_SOURCES = $(shell git ls-files 'include/*.h' 'src/*.h' 'src/*.cpp' 'apps/*.h' 'apps/*.cpp' 'examples/*.cpp' \
	'bench/*.cpp' 'python/src/*.h' 'python/src/*.cpp' 'tests/*.h' 'tests/*.cpp')

.PHONY: help setup build quickstart test lint format tidy bench fuzz sanitize wheel clean

help:
	@echo 'make setup       install missing system packages (as root) and .venv'
	@echo 'make build       build the library, the tool and the Python package into $(BUILD)/'
	@echo 'make quickstart  train, prune, quantize and convert a small network, and print the table'
	@echo 'make test        run every test, C++ and Python'
	@echo 'make lint        check style: ruff, mypy, clang-format'
	@echo 'make bench       print the benchmarks'
	@echo 'make fuzz        fuzz the readers, SECONDS_EACH=60 by default (needs clang)'
	@echo 'make sanitize    run the C++ tests with address and undefined-behaviour sanitizers'
	@echo 'make wheel       build a wheel into dist/'

setup:
	@bash scripts/setup.sh

build: setup
	@cmake -S . -B $(BUILD) -G Ninja -DTINYML_PYTHON=ON -DPython_EXECUTABLE=$(abspath $(PYTHON)) >$(BUILD).log 2>&1 \
		|| { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD)

quickstart: build
	@$(RUN) examples/quickstart.py

test: build
	@bash scripts/test.sh $(BUILD)

lint: setup
	$(PYTHON) -m ruff check python tests bench examples
	$(PYTHON) -m mypy
	@test -n "$(CLANG_FORMAT)" || { echo 'clang-format is missing: apt-get install clang-format'; exit 1; }
	@$(CLANG_FORMAT) --dry-run -Werror $(CPP_SOURCES)

format: setup
	$(PYTHON) -m ruff check --fix python tests bench examples
	@$(CLANG_FORMAT) -i $(CPP_SOURCES)

tidy: build
	clang-tidy -p $(BUILD) --quiet $(filter src/%.cpp apps/%.cpp,$(CPP_SOURCES))

bench: setup
	@cmake -S . -B $(BUILD) -G Ninja -DTINYML_PYTHON=ON -DTINYML_BENCHMARKS=ON -DPython_EXECUTABLE=$(abspath $(PYTHON))
	@cmake --build $(BUILD)
	@$(RUN) bench/run.py $(BUILD)

fuzz: setup
	@bash scripts/fuzz.sh $(SECONDS_EACH)

sanitize: setup
	@bash scripts/sanitize.sh

wheel: setup
	$(PYTHON) -m pip wheel . --no-deps --no-build-isolation -w dist

clean:
	rm -rf $(BUILD) dist
