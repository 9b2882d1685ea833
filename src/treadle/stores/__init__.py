"""Where logs are kept: the protocol in store.py, then one file for each store."""
