# An address as the result.
# refused: pointer leak: r0, a pointer into the stack, is what the program returns
r0 = r10
r0 += -8
exit
