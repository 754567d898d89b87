"""The homework that the recipes reproduce: its networks, its loss and its three data layouts."""
