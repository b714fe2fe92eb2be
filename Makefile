# make book: run the chapters, build the book, print where it is.   make test: run the tests.
# Both set everything up in .venv first, pinned by constraints.txt.   ARGS go to the command.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: book test test-all test-slow instructor colab lint browse bench lock run-times picture fork clean

book: .venv/ready
	$(BIN)/harmonic book $(ARGS)

test: .venv/test
	$(BIN)/python -m pytest --cov -n auto $(ARGS)

# The others: compilations, killed sweeps, and what must hold of the built books of both editions.
test-slow: .venv/test
	$(BIN)/python -m pytest -n auto -m slow $(ARGS)

test-all: test book instructor test-slow

# The instructor's edition, for the tests that every solution is right.
instructor: .venv/ready
	$(BIN)/harmonic book --edition instructor --profile smoke

# Notebooks as a reader on Colab runs them, at the last commit: three, or all with ONLY=; those of
# students, or with NOTEBOOKS=instructor the solved ones.
ONLY ?= finite_minima manhattan modular_addition
NOTEBOOKS ?= student
colab: .venv/colab/ready
	$(BIN)/python .github/colab.py _build/notebooks/$(NOTEBOOKS) --python .venv/colab/bin/python \
		--checkout . $(if $(ONLY),--only $(ONLY)) $(ARGS)

# The house rules: style, types, then which way imports run.
lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every built page in Chromium, light and dark, wide and narrow. Needs chromium on the PATH.
browse: .venv/browse
	$(BIN)/python -m pytest -n auto browser $(ARGS)

# What a distance head costs, measured: benchmarks/heads.csv. The quieter the machine, the better.
bench: .venv/ready
	$(BIN)/python benchmarks/heads.py $(ARGS)

# Pin versions that the ranges in pyproject.toml allow. A pin that still fits stays; with
# ARGS=--upgrade the newest versions are taken.
lock: .venv/ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		--all-extras --no-emit-package harmonic-lib --no-emit-package pip \
		--output-file constraints.txt $(ARGS) pyproject.toml

# Write the measured times of the chapters at hand into their first lines.
run-times: .venv/ready
	$(BIN)/python -c 'from pathlib import Path; from harmonic_lib.book.run_times import update; update(Path.cwd())'

# The picture of the README, from the intro's own code.
picture: .venv/ready
	$(BIN)/python -c 'from harmonic_lib.chapters.intro import first_picture as picture; picture.save("_static/first-picture.webp")'

# make fork URL=https://github.com/me/my-fork: write another address everywhere.
fork: .venv/ready
	$(BIN)/python -m harmonic_lib.book.repository $(URL)

clean:
	rm -rf _build .venv

# pip compiles on one core; compileall on all of them, but skip folders named models (hundreds in
# transformers and timm): Python compiles those on import.
install = $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt \
	--editable '.[$(1)]' && $(BIN)/python -m compileall -qq -j 0 -x '/(tests?|testing|models)/' .venv/lib

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --upgrade-deps .venv  # pip 23 takes half a minute longer to resolve
	$(call install,book)
	touch $@

.venv/test: .venv/ready
	$(call install,test)
	touch $@

.venv/colab/ready: .venv/ready tests/files/colab-packages.txt .github/colab_image.py
	rm -rf .venv/colab
	$(BIN)/python .github/colab_image.py .venv/colab
	touch $@

.venv/browse: .venv/test
	$(call install,browse)
	touch $@
