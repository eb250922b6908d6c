"""Try TASTY_CLIENT_SECRET and TASTY_REFRESH_TOKEN, and list the accounts they open: ``fortified login tastytrade``."""

import sys

from fortified.cli.main import main

sys.argv[1:1] = ["login", "tastytrade"]
main()
