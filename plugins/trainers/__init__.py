"""Supervised trainers and the scores that go with them."""
