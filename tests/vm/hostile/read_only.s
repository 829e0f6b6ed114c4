# A field that is the host's alone.
# refused: not permitted: write to value of fields: it is read-only
*(u64 *)(r2 + 0) = 1
r0 = 0
exit
