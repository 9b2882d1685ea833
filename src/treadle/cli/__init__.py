"""The `treadle` command.

main.py chooses the command, session.py runs a turn, turn_printer.py shows it, chat.py is the chat.
"""
