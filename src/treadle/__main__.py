"""`python -m treadle`: the `treadle` command."""

from .cli.main import main

if __name__ == "__main__":
    main()
