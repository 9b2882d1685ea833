"""The tools that ship, one small file each. What a tool is: core/tool.py."""
