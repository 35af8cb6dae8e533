#!/usr/bin/env bash
# What `quarto render` lacks: pages processed by nbdev first. Builds the site into _docs/ from the outputs stored in the notebooks. Skips if up to date; FORCE=1 builds anyway.
set -euo pipefail
cd "$(dirname "$0")/.."
mark=_docs/.built
if ! command -v quarto >/dev/null 2>&1; then
  echo "docs: Quarto is not on the PATH. Get it at https://quarto.org/docs/get-started/ (a .deb for Debian and Ubuntu)." >&2
  echo "docs: without Quarto, 'make docs-check' checks the pages and their links." >&2
  exit 1
fi
if [ -z "${FORCE:-}" ] && [ -f "$mark" ] &&
  [ -z "$(find nbs _quarto.yml settings.ini scsmd_nb tools/docs_*.py \( -name .ipynb_checkpoints -o -name __pycache__ \) -prune -o -type f \
    -newer "$mark" -print -quit)" ]; then
  echo "docs: _docs/ is up to date (build it again: make docs FORCE=1)"
  exit 0
fi
start=$(mktemp); trap 'rm -f "$start"' EXIT
rm -rf _proc
.venv/bin/python tools/docs_pages.py
(cd _proc && quarto render --no-execute --no-cache)
[ -f _proc/_docs/index.html ] || { echo "docs: Quarto made no _proc/_docs/index.html" >&2; exit 1; }
rm -rf _docs
mv _proc/_docs _docs
touch -r "$start" "$mark"
echo "docs: _docs/index.html"
