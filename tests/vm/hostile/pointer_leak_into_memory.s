# An address where the host reads.
# refused: pointer leak: r2, a pointer into fields, is stored in memory
*(u64 *)(r1 + 0) = r2
r0 = 0
exit
