# The sieve of Eratosthenes, one byte a number, in the 512 bytes at r1: bounds that a verifier can follow. r0 is how many
# primes are below 512.
        mov %r4, %r1
        mov %r5, 0
clear:  mov %r3, %r4
        add %r3, %r5
        stb [%r3+0], 0
        add %r5, 1
        jlt %r5, 512, clear
        mov %r6, 2              # the candidate
next:   mov %r3, %r4
        add %r3, %r6
        ldxb %r7, [%r3+0]
        jne %r7, 0, skip
        mov %r7, %r6            # its multiples, from its square on
        mul %r7, %r6
strike: jge %r7, 512, skip
        mov %r3, %r4
        add %r3, %r7
        stb [%r3+0], 1
        add %r7, %r6
        ja strike
skip:   add %r6, 1
        jlt %r6, 23, next       # a number below 512 that is not prime has a factor below 23
        mov %r0, 510            # 0 and 1 are no primes
        mov %r5, 2
count:  mov %r3, %r4
        add %r3, %r5
        ldxb %r7, [%r3+0]
        sub %r0, %r7
        add %r5, 1
        jlt %r5, 512, count
        exit
