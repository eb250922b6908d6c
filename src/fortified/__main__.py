"""`python -m fortified`."""

from fortified.cli.main import main

main()
