#!/usr/bin/env bash
# Starts the API and everything it needs; options are those of `./fortified serve`.
set -eu
exec "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/fortified" serve "$@"
