# A jump to the second slot of a wide instruction, which could hide another one.
# refused: jump to instruction 2, the second half of lddw
goto +1
r0 = 0x95 ll
exit
