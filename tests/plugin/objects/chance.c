/* Draws two random numbers when it is attached, and writes them down. */
#include "quicsim.h"

struct chance {
    uint64_t drawn[2];
};

QUICSIM_PLUGIN("chance", "1.0", struct chance);

SEC("replace/InitOpaqueData")
uint64_t draw(struct init_opaque_data *op, struct quic_connection *connection, struct chance *my)
{
    for (int i = 0; i < 2; i++)
        log_value(my->drawn[i] = random_u64());
    return 0;
}
