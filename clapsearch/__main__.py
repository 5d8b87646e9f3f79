"""``python -m clapsearch``."""

from clapsearch.cli import main

if __name__ == "__main__":
    main()
