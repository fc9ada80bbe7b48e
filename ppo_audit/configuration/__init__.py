"""The configuration file: found, read, and laid between the defaults and the command line.

Command line > file > default. No environment variables: command and file alone say what a run measures.
"""
