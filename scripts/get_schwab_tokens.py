"""Log in at Charles Schwab, for seven days: ``fortified login schwab`` with the same options."""

import sys

from fortified.cli.main import main

sys.argv[1:1] = ["login", "schwab"]
main()
