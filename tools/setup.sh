#!/usr/bin/env bash
# Make .venv from requirements.lock; what pip cannot do: begin with PyTorch's CPU build, show progress, do nothing if all is there.
# Modules are compiled when they are first imported (--no-compile): few of the thousands ever are.
# Environment: PYTHON (interpreter), TORCH=cpu (PyTorch's CPU build), PIP_ARGS (more for pip install), FORCE_SETUP=1 (install again).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/.venv
stamp=$venv/.scsmd-setup
log=$venv/setup.log

fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }

checksum() { cat requirements.lock setup.py pyproject.toml settings.ini | cksum | tr ' ' '-'; }

# What must be the same for the environment to count as done: its place, the machine's kind, the packages asked for.
want="$venv $(uname -sm) $(checksum)"
if [ -z "${FORCE_SETUP:-}" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  [ "${GOALS:-}" != setup ] || echo "setup: .venv is up to date (install again: make setup FORCE_SETUP=1)"
  exit 0
fi

# Nothing is installed into, nor cleared from, an environment that belongs to another checkout.
[ ! -L .venv ] || fail ".venv is a link to $(readlink .venv), which is left as it is." \
  "Remove the link (rm .venv) and run make again, or work in the checkout that it leads to."

case "${TORCH:-}" in
  "" | cpu) ;;
  *) fail "TORCH=${TORCH} is not known; use TORCH=cpu, or leave it out for the build that PyPI has." ;;
esac
# shellcheck disable=SC2206  # several arguments in one variable, on purpose
args=(${PIP_ARGS:-})

ok_python() { command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
python=
for candidate in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
  if ok_python "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is needed; ${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>&1 || echo missing)." \
  "On Debian or Ubuntu: sudo apt-get install python3 python3-venv make" \
  "Another interpreter: make setup PYTHON=/path/to/python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python cannot make virtual environments." \
  "On Debian or Ubuntu: sudo apt-get install python3-venv"

# An environment that is whole is added to; one that is broken, moved or from another machine is made anew.
usable() {
  [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
    [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)')" = "$venv" ] &&
    head -n 1 "$venv/bin/pip" | grep -qF "$venv/bin" && ok_python "$venv/bin/python" &&
    { [ ! -f "$stamp" ] || [ "$(cut -d' ' -f1-3 "$stamp")" = "$venv $(uname -sm)" ]; }
}
if usable; then
  echo "setup: bringing .venv up to date"
else
  echo "setup: making .venv with $("$python" -V)"
  "$python" -m venv --clear "$venv" || fail "could not make $venv; is the disk full or not writable?"
fi
rm -f "$stamp"

total=$(grep -c '^[a-zA-Z0-9]' requirements.lock)
echo "setup: installing about $total packages (1-3 minutes from a near mirror; log: .venv/setup.log)"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input)
started=$SECONDS
: >"$log"
trap 'kill "${job:-}" 2>/dev/null; echo; echo "setup: interrupted; run it again to go on" >&2; exit 130' INT TERM
if [ "${TORCH:-}" = cpu ]; then  # first and alone: only this package is asked for at PyTorch's own index, which may be far or closed
  echo "setup: the CPU build of PyTorch first"
  "${pip[@]}" install --no-compile --progress-bar off --no-deps --extra-index-url https://download.pytorch.org/whl/cpu ${args[@]+"${args[@]}"} \
    "$(grep '^torch==' requirements.lock)" >>"$log" 2>&1 || true
  "${pip[@]}" list 2>/dev/null | grep -q '^torch .*+cpu' || echo "setup: it could not be had; going on with the usual build"
fi
"${pip[@]}" install --no-compile --progress-bar off ${args[@]+"${args[@]}"} -r requirements.lock >>"$log" 2>&1 &
job=$!
tick=0
while kill -0 "$job" 2>/dev/null; do
  sleep 1
  tick=$((tick + 1))
  if [ $((tick % 20)) -eq 0 ]; then
    if grep -q '^Installing collected' "$log"; then state="unpacking"; else
      state="$(grep -cE '^(Collecting|Requirement already satisfied)' "$log" || true) of $total packages looked up"; fi
    echo "setup: ... $((SECONDS - started)) s, $state"
  fi
done
if ! wait "$job"; then
  grep -vE '^(WARNING: Location|Ignoring )' "$log" | tail -n 15 >&2
  fail "pip could not install the packages (whole log: .venv/setup.log)." \
    "No network, no space ($(df -Ph . | awk 'NR==2 {print $4}') free), or a package index of your own? Try: make setup PIP_ARGS=\"--index-url ...\""
fi
"${pip[@]}" install --no-deps --no-build-isolation --config-settings editable_mode=compat -e . >>"$log" 2>&1 || { tail -n 15 "$log" >&2; fail "could not install scsmd_nb itself"; }
trap - INT TERM
printf '%s' "$want" >"$stamp.part" && mv "$stamp.part" "$stamp"
echo "setup: done in $((SECONDS - started)) s"
