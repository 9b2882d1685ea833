"""Tools: what a tool is in tool.py, then one small file for each that ships."""
