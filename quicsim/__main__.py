"""`python -m quicsim`: the command line."""

from quicsim.cli import main

if __name__ == "__main__":
    main()
