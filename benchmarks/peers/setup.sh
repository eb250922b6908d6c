#!/usr/bin/env bash
# The environments of the peers, one for each, from locked wheels: benchmarks/peers/setup.sh [DIRECTORY]
# The locks anew, hashes only: benchmarks/peers/setup.sh --lock [--upgrade]
# They get the Python of our own environment, and lie outside of the checkout: $XDG_CACHE_HOME/fortified-peers by default.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
ROOT=$(cd "$HERE/../.." && pwd -P)
# shellcheck source=scripts/bootstrap.sh
. "$ROOT/scripts/bootstrap.sh"
VENV=${FORTIFIED_VENV:-$ROOT/.venv}
TOOLS=$VENV-tools
mkdir -p "$TOOLS"
base=$(probe "$VENV/bin/python" sys._base_executable)
[ -n "$base" ] || base=$(find_python) || die_without_python
prepare_network "$base"
uv=$(find_uv "$base") || die "uv could not be fetched, see $TOOLS/log" "is there a network?"
PEERS='nautilus_trader hftbacktest backtrader backtesting vectorbt numba'

packages() { # peer; it and what our program for it imports
  case $1 in
    backtrader) printf '%s\n' backtrader numpy pandas ;;
    numba) printf '%s\n' numba numpy ;;
    *) printf '%s\n' "$1" ;;
  esac
}

lock() { # peer, options
  local peer=$1
  shift
  say "locking $peer"
  packages "$peer" | "$uv" pip compile -q --python "$base" --python-version 3.12 --universal --generate-hashes \
    --only-binary :all: --no-emit-index-url --no-header --no-annotate "$@" -o "$HERE/locks/$peer.lock" -
}

install() { # peer
  local lock=$HERE/locks/$1.lock env=$directory/$1 wanted
  wanted=$(printf '%s ' "$base" && cksum <"$lock")
  [ "$(cat "$env/.stamp" 2>/dev/null)" != "$wanted" ] || return 0
  say "setting up $env"
  "$uv" venv -q --clear --python "$base" "$env"
  "$uv" pip sync -q --python "$env/bin/python" --require-hashes --only-binary :all: "$lock" &&
    printf '%s\n' "$wanted" >"$env/.stamp" || say "$1 cannot be installed here and is left out"
}

if [ "${1:-}" = --lock ]; then
  shift
  for peer in $PEERS; do lock "$peer" "$@"; done
else
  directory=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/fortified-peers}
  mkdir -p "$directory"
  for peer in $PEERS; do install "$peer"; done
fi
