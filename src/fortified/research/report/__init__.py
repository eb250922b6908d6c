"""Reports: what a trader looks at after a run, in one HTML file that needs nothing else."""
