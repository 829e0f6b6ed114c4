"""Which stacks of others can stand at our links? Real ones, in virtual time, with all chance from named streams."""
