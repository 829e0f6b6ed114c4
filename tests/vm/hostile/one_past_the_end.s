# The loop reads r1[0] to r1[8], and there are eight.
# refused: out of bounds: read of 8 bytes of memory, which has 64
r0 = 0
r6 = 0
loop:
  r7 = r6
  r7 <<= 3
  r8 = r1
  r8 += r7
  r7 = *(u64 *)(r8 + 0)
  r0 += r7
  r6 += 1
  if r6 <= 8 goto loop
exit
