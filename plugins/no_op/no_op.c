/* Nothing, before each packet is scheduled: what a call of a plugin costs by itself. Paper section 3.3, table 1. */
#include "quicsim.h"

struct no_memory { uint64_t unused; };

QUICSIM_PLUGIN("no_op", "1.0", struct no_memory);

SEC("before/SelectPath")
uint64_t no_op(struct select_path *op, struct quic_connection *connection, struct no_memory *memory)
{
    return 0;
}
