"""`python -m ringpost`: the console script without its entry point."""

from ringpost.cli import main

if __name__ == "__main__":
    main()
