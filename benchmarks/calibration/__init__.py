"""How well probabilities of entities hold."""
