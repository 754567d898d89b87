"""How is an optimizer step taken? ``stepper.py`` computes it, in parts where memory runs out, and leaves it out where
something is NaN or infinite, which ``not_finite.py`` traces to its batch.
"""
