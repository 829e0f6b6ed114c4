/* Reads behind the end of its memory, where tlp would be. */
#include "quicsim.h"

struct small {
    uint64_t words[2];
};

QUICSIM_PLUGIN("wild", "1.0", struct small);

SEC("replace/SelectRetransmission")
uint64_t reader(struct select_retransmission *op, struct quic_connection *connection, struct small *my)
{
    uint64_t sum = 0;
    (void)connection;

    for (uint64_t i = 0; i < 100 + op->space; i++)
        sum += ((volatile uint64_t *)my->words)[i];
    return sum;
}
