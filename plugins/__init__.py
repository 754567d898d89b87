"""Everything a recipe can name; each folder is a plugin exactly as a third party's is."""
