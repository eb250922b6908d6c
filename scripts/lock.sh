#!/usr/bin/env bash
# Writes the lock files anew: ./scripts/lock.sh, or ./scripts/lock.sh --upgrade. Hashes only, no address of any index.
set -eu
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/bootstrap.sh
. "$ROOT/scripts/bootstrap.sh"
VENV=${FORTIFIED_VENV:-$ROOT/.venv}
TOOLS=$VENV-tools
cd "$ROOT"
mkdir -p "$TOOLS"
base=$(find_python) || die_without_python
prepare_network "$base"
uv=$(find_uv "$base") || die "uv could not be fetched, see $TOOLS/log" "is there a network?"

compile() { # output, then inputs and options
  local output=$1
  shift
  say "locking $output"
  "$uv" pip compile -q --python "$base" --python-version 3.12 --universal --generate-hashes --no-emit-index-url \
    --no-header --no-annotate "$@" -o "$output"
}

compile requirements.lock "$@" pyproject.toml
compile requirements-dev.lock "$@" --group dev pyproject.toml -c requirements.lock
printf 'uv\n' | compile scripts/uv.lock.txt "$@" -
