"""Language models: the protocol in model.py, then one small file for each way to reach one."""
