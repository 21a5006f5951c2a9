"""`python -m seqloom.cli`, as `torchrun -m seqloom.cli` needs it."""

from seqloom.cli import main

main()
