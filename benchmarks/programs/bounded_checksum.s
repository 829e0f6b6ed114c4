# The Internet checksum (RFC 1071) of the 2,048 bytes at r1: bounds that a verifier can follow.
        mov %r0, 0
        mov %r5, 0
word:   mov %r3, %r1
        add %r3, %r5
        ldxh %r2, [%r3+0]
        be16 %r2
        add %r0, %r2
        add %r5, 2
        jlt %r5, 2048, word
        mov %r2, %r0            # two folds are enough for 1,024 words
        rsh %r2, 16
        and %r0, 0xffff
        add %r0, %r2
        mov %r2, %r0
        rsh %r2, 16
        and %r0, 0xffff
        add %r0, %r2
        xor %r0, 0xffff
        exit
