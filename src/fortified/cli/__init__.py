"""The command line. Owns words and exit codes: 0 done, 1 failed, 2 bad usage or input."""
