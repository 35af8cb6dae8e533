#!/usr/bin/env bash
# `scsmd demo` does not know whether the code is newer than its results. Run it into demo/, unless its results are there and newer than the code. FORCE=1 runs it anyway.
set -euo pipefail
cd "$(dirname "$0")/.."
mark=demo/.done
if [ -z "${FORCE:-}" ] && [ -f "$mark" ] && [ -n "$(find demo -name '*.h5ad' -print -quit)" ] &&
  [ -z "$(find scsmd_nb requirements.lock -name __pycache__ -prune -o \( -name '*.py' -o -name '*.lock' \) -newer "$mark" -print -quit)" ]; then
  echo "demo: demo/ is newer than the code, nothing to do (run it again: make demo FORCE=1)"
  [ ! -f demo/summary.txt ] || cat demo/summary.txt
  ls demo
  exit 0
fi
# the mark gets the time of the start: code that changes during the run makes the results old
rm -f "$mark"
start=$(mktemp); trap 'rm -f "$start"' EXIT
.venv/bin/scsmd demo --out demo
touch -r "$start" "$mark"
