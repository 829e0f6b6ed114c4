/* Loops forever, where tlp would be. */
#include "quicsim.h"

struct none {
    uint64_t calls;
};

QUICSIM_PLUGIN("endless", "1.0", struct none);

SEC("replace/SetTimer")
uint64_t timer(struct set_timer *op, struct quic_connection *connection, struct none *my)
{
    (void)op;
    (void)connection;
    for (;;)
        my->calls++;
}
