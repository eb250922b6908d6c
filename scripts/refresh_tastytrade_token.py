"""Get a new access token at TastyTrade: ``fortified login tastytrade``. A server does that by itself."""

import sys

from fortified.cli.main import main

sys.argv[1:1] = ["login", "tastytrade"]
main()
