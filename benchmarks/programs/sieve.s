# The sieve of Eratosthenes, one byte a number, in r2 bytes at r1, r3 times over; r0 is how many primes are below r2.
pass:   mov %r4, %r1
        add %r4, %r2
        mov %r5, %r1
clear:  stb [%r5+0], 0
        add %r5, 1
        jlt %r5, %r4, clear
        mov %r0, 0
        mov %r6, 2              # the candidate
next:   mov %r5, %r1
        add %r5, %r6
        ldxb %r7, [%r5+0]
        jne %r7, 0, skip
        add %r0, 1
        mov %r7, %r6            # its multiples, from its square on
        mul %r7, %r6
        mov %r5, %r1
        add %r5, %r7
        jge %r5, %r4, skip
strike: stb [%r5+0], 1
        add %r5, %r6
        jlt %r5, %r4, strike
skip:   add %r6, 1
        jlt %r6, %r2, next
        sub %r3, 1
        jne %r3, 0, pass
        exit
