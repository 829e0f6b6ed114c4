# Registers only: r1 turns of 8 instructions.
        mov %r0, 0
        mov %r2, 1
turn:   add %r0, %r2
        xor %r0, %r1
        lsh %r0, 1
        mul %r2, 3
        rsh %r2, 1
        or %r2, 5
        sub %r1, 1
        jne %r1, 0, turn
        exit
