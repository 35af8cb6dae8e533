#!/usr/bin/env bash
# Resolve settings.ini into requirements.lock with uv, less what uv would add: CUDA packages, indexes and paths of this machine.
# One version for every Python, no index or path in the file, and no CUDA packages: those come with the torch
# build that pip finds. Environment: TORCH_PIN (default 2.13.0), UV_ARGS (more for uv), UPGRADE=1 (newest versions).
set -euo pipefail
cd "$(dirname "$0")/.."
torch=${TORCH_PIN:-2.13.0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/python" -m pip install -q --disable-pip-version-check uv 2>&1 | grep -v '^WARNING: Location' || true
"${PYTHON:-python3}" - "$torch" >"$work/in.txt" <<'PY'
import configparser, sys
cfg = configparser.ConfigParser(delimiters=["="])
cfg.read("settings.ini", encoding="utf-8")
for key in ("requirements", "bench_requirements", "dask_requirements", "dev_requirements"):
    print(cfg["DEFAULT"][key].strip())
print(f"torch=={sys.argv[1]}")
PY
# versions that still fit are kept, so that a new requirement moves nothing else
[ -n "${UPGRADE:-}" ] || { [ -f requirements.lock ] && cp requirements.lock "$work/out.txt"; } || true
# shellcheck disable=SC2086
"$work/env/bin/uv" pip compile "$work/in.txt" -o "$work/out.txt" --quiet --universal --python-version 3.11 \
  --fork-strategy fewest --no-annotate --no-header --no-emit-index-url --no-emit-find-links ${UPGRADE:+--upgrade} ${UV_ARGS:-}
{
  echo "# Written by \`make lock\` from settings.ini; do not edit. Python 3.11 and newer, any platform."
  grep -vE '^(nvidia-|cuda-|triton|pytorch-triton)' "$work/out.txt" | sed -E 's/^(torch==[0-9.]+)\+[a-z0-9.]+/\1/'
} >requirements.lock.part
if grep -nE '(https?|file)://|^ *-|^ *[./]' requirements.lock.part; then
  echo "lock: the lines above name a place; not written" >&2; rm -f requirements.lock.part; exit 1
fi
mv requirements.lock.part requirements.lock
echo "lock: $(grep -c '^[a-zA-Z0-9]' requirements.lock) packages in requirements.lock"
