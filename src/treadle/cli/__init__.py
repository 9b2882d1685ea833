"""The `treadle` command.

Main.py routes, turns.py drives a turn, show.py shows it, chat.py is the chat.
"""
