# Nothing ends the program.
# refused: function 'main' falls off its end; its last instruction must be exit or ja
r0 = 1
