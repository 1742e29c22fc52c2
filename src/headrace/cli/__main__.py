"""What ``python -m headrace.cli`` runs."""

import sys

from headrace.cli import main

if __name__ == "__main__":
    sys.exit(main())
