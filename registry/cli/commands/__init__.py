"""One module for each command, or for a few that are one thing: it reads the options, calls one function and prints."""
