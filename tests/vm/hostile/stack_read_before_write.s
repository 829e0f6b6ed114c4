# What somebody else left on the stack.
# refused: uninitialised: stack bytes at -16 to -9 are read before they are written
*(u64 *)(r10 - 8) = 1
r0 = *(u64 *)(r10 - 16)
exit
