/* Replaces an operation whose default calls another one, which it watches: what one wrote, the next one sees. */
#include "quicsim.h"

struct nested {
    uint64_t depth;
};

QUICSIM_PLUGIN("nested", "1.0", struct nested);

SEC("replace/SelectRetransmission")
uint64_t outer(struct select_retransmission *op, struct quic_connection *connection, struct nested *my)
{
    uint64_t result;
    (void)op;

    if (!op->timer_expired)
        return run_default();
    my->depth = 1;
    connection->paths[0].ssthresh_bytes = 55555;
    log_value(connection->paths[0].pto_count);
    result = run_default();
    log_value(connection->paths[0].pto_count);
    log_value(op->timer_expired);
    log_value(my->depth);
    return result;
}

SEC("before/RetransmissionTimeout")
uint64_t inner(struct retransmission_timeout *op, struct quic_connection *connection, struct nested *my)
{
    log_value(1000 + my->depth);
    log_value(connection->paths[0].ssthresh_bytes);
    log_value(op->pto_count);
    my->depth = 2;
    return 0;
}
