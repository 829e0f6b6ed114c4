# The index is compared as a signed number, and with its upper bound only.
# refused: out of bounds: write of 1 byte of memory, which has 64
r0 = 0
if r5 s> 63 goto out
r1 += r5
*(u8 *)(r1 + 0) = 1
out:
  exit
