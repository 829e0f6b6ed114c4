/* Sets the window after congestion control has spoken, and says itself what a round trip takes. */
#include "quicsim.h"

struct landing {
    uint64_t window_bytes; /* 0: leave the window alone */
    uint64_t seen;
};

QUICSIM_PLUGIN("landing", "1.0", struct landing);

SEC("after/CongestionControl")
uint64_t window(struct congestion_control *op, struct quic_connection *connection, struct landing *my)
{
    my->seen = op->result == connection->paths[0].cwnd_bytes;
    if (my->window_bytes)
        connection->paths[0].cwnd_bytes = my->window_bytes;
    return 0;
}

SEC("replace/UpdateRTT")
uint64_t thrice(struct update_rtt *op, struct quic_connection *connection, struct landing *my)
{
    (void)connection;
    (void)my;
    return 3 * op->sample_ns;
}
