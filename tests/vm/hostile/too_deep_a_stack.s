# A frame has 512 bytes.
# refused: out of bounds: write of 8 bytes of the stack, which has 512
*(u64 *)(r10 - 520) = 1
r0 = 0
exit
