#!/usr/bin/env bash
# Lint, types, import rules and tests. With arguments only pytest, with these: ./run_tests.sh tests/api -k x
set -eu
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/bootstrap.sh
. "$ROOT/scripts/bootstrap.sh"
bootstrap dev
cd "$ROOT"

failed=0
stage() { # name, command
  local name=$1
  shift
  printf '== %s\n' "$name"
  "$@" || { failed=1 && printf '== %s FAILED; going on\n' "$name"; }
}

if [ $# -eq 0 ]; then
  stage "ruff check" "$PY" -m ruff check
  stage "ruff format" "$PY" -m ruff format --check
  stage "mypy" "$PY" -m mypy
  if grep -q '^\[tool\.importlinter' pyproject.toml; then
    stage "import rules" "$PY" -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
  fi
  set -- -n 2
fi
printf '== pytest\n'
status=0
"$PY" -m pytest -q "$@" || status=$?
[ "$status" -ne 0 ] || status=$failed
exit "$status"
