"""Delete runner states, positions, orders, fills and trades: ``fortified state clear`` with the same options. Stop the server first."""

import sys

from fortified.cli.main import main

sys.argv[1:1] = ["state", "clear"]
main()
