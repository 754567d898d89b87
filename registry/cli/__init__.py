"""The command line: options and help, errors as readable blocks, one module a group of commands. Nothing heavy."""
