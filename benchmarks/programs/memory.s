# Prefix sums in place of the 64-bit words in r2 bytes at r1, r3 times over; r0 is the last of them.
        mov %r4, %r1
        add %r4, %r2
pass:   mov %r5, %r1
        mov %r0, 0
word:   ldxdw %r2, [%r5+0]
        add %r0, %r2
        stxdw [%r5+0], %r0
        add %r5, 8
        jlt %r5, %r4, word
        sub %r3, 1
        jne %r3, 0, pass
        exit
