# The Internet checksum (RFC 1071) of the r2 bytes at r1, an even number, r3 times over; r0 is the last.
        mov %r4, %r1
        add %r4, %r2
pass:   mov %r5, %r1
        mov %r0, 0
word:   ldxh %r2, [%r5+0]
        be16 %r2
        add %r0, %r2
        add %r5, 2
        jlt %r5, %r4, word
fold:   mov %r2, %r0
        rsh %r2, 16
        and %r0, 0xffff
        add %r0, %r2
        jgt %r0, 0xffff, fold
        xor %r0, 0xffff
        sub %r3, 1
        jne %r3, 0, pass
        exit
