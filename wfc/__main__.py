"""`python -m wfc`."""

from wfc.cli import main

if __name__ == "__main__":
    main()
