"""Systems, each at work in the environment that it needs: see `protocol.py`."""
