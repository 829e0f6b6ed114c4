/* Says what the controller paces by, and how often the peer wants to be acknowledged. */
#include "quicsim.h"

struct pacing {
    uint64_t rate; /* bytes a second, the largest */
    uint64_t quantum;
    uint64_t threshold;
    uint64_t reordering;
};

QUICSIM_PLUGIN("pacing", "1.0", struct pacing);

SEC("after/PacePacket")
uint64_t paced(struct pace_packet *op, struct quic_connection *connection, struct pacing *my)
{
    if (op->pacing_rate > my->rate) {
        my->rate = op->pacing_rate;
        my->quantum = op->send_quantum_bytes;
    }
    return 0;
}

SEC("before/DecideAck")
uint64_t decide(struct decide_ack *op, struct quic_connection *connection, struct pacing *my)
{
    my->threshold = op->ack_eliciting_threshold;
    my->reordering = op->reordering_threshold;
    return 0;
}
