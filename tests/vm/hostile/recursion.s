# A function that calls itself.
# refused: recursion: 'function_2' calls itself
call f
exit
f:
  r0 = 0
  if r1 == 0 goto out
  call f
out:
  exit
