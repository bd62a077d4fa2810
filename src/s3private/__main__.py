"""`python -m s3private` and the `s3private` command."""

from __future__ import annotations

import sys

from s3private.cli import main

if __name__ == "__main__":
    sys.exit(main())
