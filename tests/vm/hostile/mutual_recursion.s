# Two functions that call each other.
# refused: recursion: 'function_2' calls itself through 'function_5'
call f
exit
f:
  r0 = 0
  call g
  exit
g:
  r0 = 1
  call f
  exit
