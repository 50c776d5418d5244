#!/usr/bin/env bash
# Segment one sequence, the challenge's way, without Snakemake:
#   ./run_seq.sh DATASET_DIR SEQ [--output DIR] [--recipe FILE] [--model DIR] [--device auto] ...
# writes DATASET_DIR/SEQ_RES/maskTTT.tif. --help tells the rest.
# Exit code 0: done, 1: the input is at fault (one line says how), 2: usage.
set -euo pipefail

root="$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)"
python="$root/.venv/bin/python"
if [[ ! -x "$python" ]]; then
    python="$(command -v python3)" || {
        echo "no Python found; expected $root/.venv: run make install" >&2
        exit 1
    }
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m efficientcellseg segment "$@"
