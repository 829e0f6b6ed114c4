# find() may find nothing.
# refused: may be null: r0, a pointer into found, is read through and may be null
call 5
r0 = *(u64 *)(r0 + 0)
exit
