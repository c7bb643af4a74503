"""What every protocol's specification is made of: promises, trees of blocks, moments, ledgers, tables by themselves."""
