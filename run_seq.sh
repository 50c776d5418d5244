#!/usr/bin/env bash
# Segment one sequence, the challenge's way, without Snakemake:
#   ./run_seq.sh DATASET_DIR SEQ [--output DIR] [--recipe FILE] [--model DIR] [--device auto] ...
# writes DATASET_DIR/SEQ_RES/maskTTT.tif. --help tells the rest.
# Exit code 0: done, 1: the input is at fault (one line says how), 2: usage.
set -euo pipefail

root="$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)"
python="$root/.venv/bin/python"
if [[ ! -x "$python" ]]; then
    # Another environment will do, if it holds what is needed.
    python="$(command -v python3 || true)"
    # Found, not imported: timm alone does not import beside a torch without CUDA.
    needed='from importlib.util import find_spec as f; exit(not all(map(f, ("timm", "torch"))))'
    if [[ -z "$python" ]] || ! "$python" -c "$needed"; then
        echo "error[environment-missing]: $root/.venv: no environment there; expected the project's packages: run make install" >&2
        exit 1
    fi
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
# -P: the folder it is started in must not hide this one.
exec "$python" -P -m efficientcellseg segment "$@"
