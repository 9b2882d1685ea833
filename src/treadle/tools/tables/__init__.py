"""Tables in files: how they are read, and asked in SQL. All of it runs in a child process."""
