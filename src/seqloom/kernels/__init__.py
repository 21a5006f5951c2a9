"""Running sequences: `reference` defines it, `aten` and `native` are fast, `choose` says which, and why."""
