"""What plugins there are: strategies, brokers and data sources by name. Built-ins, files of the user's, and installed packages.

A plugin that cannot be used is told with its file and line, and hurts nothing else.
"""

from fortified.registry.plugin import Plugin, Problem
from fortified.registry.registry import BUILT_IN, DOCUMENTED, Registry, load_file, split

__all__ = ["BUILT_IN", "DOCUMENTED", "Plugin", "Problem", "Registry", "load_file", "split"]
