# Every recipe runs in .venv; `./just` makes it. `just --list` shows what there is.
set shell := ["bash", "-euo", "pipefail", "-c"]

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

# A second run starts at once.
export JAX_COMPILATION_CACHE_DIR := env("JAX_COMPILATION_CACHE_DIR", justfile_directory() / ".cache/jax")

# Of `just slurm`: how many nodes, and how many GPUs on each.
nodes := "1"
gpus := "1"

# List the recipes.
default:
    @just --list --unsorted

# The main job on real input: neural entropy and mutual information, with error bars and pictures.
quickstart *args:
    python -m runs.quickstart {{args}}

# The test suite (twelve minutes on two slow cores the first time, less once it is compiled).
test *args:
    python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 {{args}}

# The tests that take minutes.
slow *args:
    python -m pytest -m slow {{args}}

# Formatting, lint and types.
check:
    ruff check .
    ruff format --check .
    pyright

# One experiment: `just run joint_gaussian --preset smoke`.
run name *args:
    python -m runs.{{name}} {{args}}

# Samplers compared: `just sweep --grid smoke`, `toy`, `image`; `--shard 0/4`; `--launch slurm --jobs 8`.
sweep *args:
    python -m runs.sweep {{args}}

# A run as a job of Slurm, one process per GPU: `just nodes=2 gpus=4 slurm joint_gaussian --preset paper`.
slurm name *args:
    sbatch --nodes={{nodes}} --ntasks-per-node={{gpus}} --gpus-per-node={{gpus}} runs/slurm.sbatch \
        -m runs.{{name}} {{args}}

# One figure of the papers: makes what is missing, then draws. `just figure 10`, `just figure itd-density`
figure name *args:
    python -m paper_figures.figure_{{replace(name, "-", "_")}} {{args}}

# Every figure there is, and a page that shows them with their numbers: `just paper --preset smoke`.
paper *args:
    python -m paper_figures.paper {{args}}

# A benchmark: `just bench estimators`, `just bench train`.
bench name *args:
    python -m benchmarks.{{name}} {{args}}

# The speed of training, evaluation and sampling on a GPU, in at most 8 minutes.
bench-gpu *args:
    python -m benchmarks.gpu {{args}}

# The documentation as pages in site/; a warning is an error. Installs what it is built with, where that is missing.
docs *args: _docs-installed
    NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict {{args}}

# The same, shown at http://127.0.0.1:8000 while pages and docstrings change.
docs-serve *args: _docs-installed
    NO_MKDOCS_2_WARNING=1 python -m mkdocs serve --watch src {{args}}

_docs-installed:
    python -c "import material, mkdocs, mkdocstrings" 2>/dev/null || \
        python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
