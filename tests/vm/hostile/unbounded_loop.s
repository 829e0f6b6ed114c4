# As often as it is told to.
# refused: too long: a run may take more than 20000 instructions
r0 = 0
loop:
  r0 += 1
  if r0 < r5 goto loop
exit
