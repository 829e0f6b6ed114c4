# A loop that nothing ends.
# refused: endless loop: the loop comes back with nothing known to have changed
r0 = 0
loop:
  r0 = *(u64 *)(r1 + 0)
  goto loop
