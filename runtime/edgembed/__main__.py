"""`python -m edgembed`: the command line where no script was installed, in a slim folder say."""

import sys

from edgembed.cli import main

sys.exit(main())
