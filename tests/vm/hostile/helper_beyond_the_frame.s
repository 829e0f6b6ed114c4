# fill(buffer, size) would fill what is above the frame.
# refused: out of bounds: fill(): access of 16 bytes of the stack, which has 512
r1 = r10
r1 += -8
r2 = 16
call 3
exit
